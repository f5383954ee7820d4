import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import type { GatewayContext } from './context.js';
import type { Guard } from './guard.js';
import { rawProblem, toJobError } from './problem.js';
import { ASK_ERRORS, type Route } from './route.js';
import { SocketSession } from './socket-session.js';

const SOCKET_PATH = '/v1/socket';

/** Opens a JSON-RPC session for every WebSocket that the guard lets in. */
export function acceptSockets(server: Server, guard: Guard, context: GatewayContext, isClosing: () => boolean): void {
  const sockets = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: LIMITS.requestBytes, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A client that leaves while it is answered is no error of ours.
    socket.on('error', () => undefined);
    try {
      if (isClosing()) throw new JobError('unavailable', 'The service is ending. Nothing was done.');
      admit(request, guard);
      sockets.handleUpgrade(request, socket, head, (ws) => new SocketSession(ws, context));
    } catch (thrown) {
      socket.end(rawProblem(toJobError(thrown, context.writeLog)), () => socket.destroy());
    }
  });
}

function admit(request: IncomingMessage, guard: Guard): void {
  guard.admit(request, 'token', true);
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new JobError(
      'invalid_request',
      'Only WebSocket is spoken beside HTTP/1.1: send the request without the Upgrade header (curl: --http1.1).',
    );
  }
  if (request.url?.split('?')[0] !== SOCKET_PATH) throw new JobError('not_found', `A WebSocket is only at ${SOCKET_PATH}.`);
}

/** For the document, and for who comes without the Upgrade header. */
export const socketRoute: Route = {
  method: 'GET',
  path: SOCKET_PATH,
  operationId: 'openSocket',
  summary: 'Open a WebSocket for JSON-RPC 2.0: jobs.<verb>, jobs.watch, jobs.unwatch, logs.follow, logs.unfollow',
  access: 'token',
  streams: true,
  answers: { 101: { description: 'The WebSocket is open' } },
  errors: [...ASK_ERRORS],
  handle() {
    return Promise.reject(new JobError('invalid_request', 'Open this address as a WebSocket.'));
  },
};
