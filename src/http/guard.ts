import { createHash, createHmac, timingSafeEqual, type X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { JobError } from '../../actors/errors.js';
import { isLoopback } from '../config.js';

/**
 * Who may come in to a route: `probe` anybody (nothing is told there), `login`
 * also with the token in the address (the printed URL), `token` everybody else.
 */
export type Access = 'probe' | 'login' | 'token';

export interface GuardOptions {
  token: string;
  host: string;
  /** Of a gateway with TLS: the names in it may stand in the Host header. */
  certificate: X509Certificate | null;
  /** First word of the cookie's name. Cookies know no ports, so the port is part of the name too. */
  prefix: string;
}

/**
 * Keeps out who has no token, and web pages of others: a page that made its
 * own name point to this address (Host), and one that lets the browser send
 * its cookie along (Origin).
 */
export class Guard {
  readonly #options: GuardOptions;
  readonly #tokenDigest: Buffer;
  readonly #cookieValue: string;
  readonly #cookieDigest: Buffer;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#tokenDigest = digest(options.token);
    // Not the token itself: whoever sees the cookie has not got the token.
    this.#cookieValue = createHmac('sha256', options.token).update('browser').digest('base64url');
    this.#cookieDigest = digest(this.#cookieValue);
  }

  /** Throws `unauthorized` or `forbidden`. `changes` is true for what changes state and for opening a WebSocket. */
  admit(request: IncomingMessage, access: Access, changes: boolean): void {
    if (access === 'probe') return;
    this.#checkHost(request);
    const by = this.#identify(request, access);
    if (changes) this.#checkOrigin(request.headers, by);
  }

  /** The `Set-Cookie` header for a browser that came with the token. */
  cookie(request: IncomingMessage): string {
    const secure = this.#options.certificate ? '; Secure' : '';
    return `${this.#cookieName(request)}=${this.#cookieValue}; Path=/; HttpOnly; SameSite=Strict${secure}`;
  }

  #identify(request: IncomingMessage, access: Access): 'token' | 'cookie' {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
      if (token !== undefined && this.#isToken(token)) return 'token';
      throw new JobError(
        'unauthorized',
        'The bearer token is not the one of this service: it stands in connection.json in the data folder.',
      );
    }
    if (access === 'login') {
      const token = new URLSearchParams(request.url?.split('?')[1]).get('token');
      if (token !== null && this.#isToken(token)) return 'token';
    }
    const cookie = cookieOf(request.headers, this.#cookieName(request));
    if (cookie !== undefined && timingSafeEqual(digest(cookie), this.#cookieDigest)) return 'cookie';
    throw new JobError(
      'unauthorized',
      'Send "Authorization: Bearer <token>", or open in the browser the address that the service prints at its start.',
    );
  }

  #isToken(token: string): boolean {
    return timingSafeEqual(digest(token), this.#tokenDigest);
  }

  #cookieName(request: IncomingMessage): string {
    return `${this.#options.prefix}_${request.socket.localPort ?? 0}`;
  }

  #checkHost(request: IncomingMessage): void {
    const { host = '' } = request.headers;
    const [, name, port] = /^(\[[\da-f:.]+\]|[^:[\]/?#@\s]+)(?::(\d{1,5}))?$/i.exec(host) ?? [];
    const defaultPort = this.#options.certificate ? 443 : 80;
    if (name !== undefined && this.#isOurName(name.toLowerCase()) && Number(port ?? defaultPort) === request.socket.localPort) return;
    throw new JobError(
      'forbidden',
      `The Host header ${JSON.stringify(host)} does not name this service. Use the address that it prints at its start.`,
    );
  }

  #isOurName(name: string): boolean {
    if (isLoopback(name) || name === this.#options.host.toLowerCase()) return true;
    const { certificate } = this.#options;
    if (!certificate) return false;
    const bare = name.replace(/^\[|\]$/g, '');
    return (isIP(bare) === 0 ? certificate.checkHost(bare) : certificate.checkIP(bare)) !== undefined;
  }

  #checkOrigin(headers: IncomingHttpHeaders, by: 'token' | 'cookie'): void {
    const { origin, host = '' } = headers;
    const own = `${this.#options.certificate ? 'https' : 'http'}://${host}`.toLowerCase();
    if (origin === undefined ? by === 'token' || headers['sec-fetch-site'] === 'same-origin' : origin.toLowerCase() === own) return;
    throw new JobError('forbidden', `A page of ${origin ?? 'unknown origin'} may not use this service: only its own dashboard may.`);
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function cookieOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const pair = headers.cookie?.split(';').find((part) => part.trim().startsWith(`${name}=`));
  return pair?.trim().slice(name.length + 1);
}
