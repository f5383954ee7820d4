import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { JobError } from '../../actors/errors.js';
import { packageRoot } from '../package-root.js';
import type { Guard } from './guard.js';
import { ANY_ERRORS, type Route } from './route.js';

const FOLDER = path.join(packageRoot, 'src', 'dashboard');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** Own files only, no script or style in the page itself, and no page of others around it. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The dashboard's page and its files. */
export function dashboardRoutes(guard: Guard): Route[] {
  const page: Route = {
    method: 'GET',
    path: '/',
    operationId: 'openDashboard',
    summary: 'The dashboard; with ?token=… it takes a cookie for the token and leads on to the bare address',
    access: 'login',
    answers: {
      200: { description: 'The page', type: 'text/html' },
      303: { description: 'The token was right', headers: { Location: '/', 'Set-Cookie': 'for this browser' } },
    },
    errors: ANY_ERRORS,
    async handle(request, reply) {
      // The guard has looked at the token.
      if ((request.query as { token?: unknown }).token !== undefined)
        return reply.header('set-cookie', guard.cookie(request.raw)).redirect('/', 303);
      return sendFile(request, reply, 'index.html');
    },
  };
  const file: Route = {
    method: 'GET',
    path: '/dashboard/{file}',
    operationId: 'getDashboardFile',
    summary: 'A file of the dashboard',
    access: 'token',
    headers: ['If-None-Match'],
    answers: {
      200: { description: 'The file', type: Object.values(TYPES).map((type) => type.replace(/;.*/, '')) },
      304: { description: 'The same as before' },
    },
    errors: ANY_ERRORS,
    handle: (request, reply) => sendFile(request, reply, (request.params as { file: string }).file),
  };
  return [page, file];
}

async function sendFile(request: FastifyRequest, reply: FastifyReply, name: string): Promise<FastifyReply> {
  const type = TYPES[path.extname(name)];
  if (type === undefined || !/^\w[\w-]*\.\w+$/.test(name)) throw notThere(name);
  const content = await readFile(path.join(FOLDER, name)).catch(() => null);
  if (content === null) throw notThere(name);
  const etag = `"${createHash('sha256').update(content).digest('base64url')}"`;
  reply.headers({ etag, 'content-security-policy': PAGE_POLICY });
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply.type(type).send(content);
}

const notThere = (name: string): JobError => new JobError('not_found', `The dashboard has no file ${JSON.stringify(name)}.`);
