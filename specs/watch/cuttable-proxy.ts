import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';

/** A TCP way to `url` that can be cut and mended, as a network does it. */
export interface CuttableProxy {
  url: string;
  /** Ends every connection and refuses new ones. */
  cut(): void;
  /** What the server sends is lost on the way; what the client sends arrives. */
  mute(): void;
  /** Takes new connections, and ends those that have lost something. */
  mend(): void;
  close(): Promise<void>;
}

export async function startProxy(url: string): Promise<CuttableProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const ways = new Map<Socket, Socket>();
  let isMute = false;
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        ways.delete(far);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
    ways.set(far, near);
    return undefined;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mute() {
      isMute = true;
      for (const [far, near] of ways) far.unpipe(near).resume();
    },
    mend() {
      if (isMute) cut();
      isCut = isMute = false;
    },
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
