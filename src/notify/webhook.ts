import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { once } from 'node:events';
import { LIMITS } from '../../actors/limits.js';
import { packageVersion } from '../package-root.js';
import { DeliveryFailed } from './delivery.js';
import { publicLookup, requirePublic } from './public-address.js';
import { signatureOf } from './signature.js';

export interface WebhookOptions {
  /** What the signature is made with. */
  key: Buffer;
  /** Whether it may go to addresses that are not public. */
  privateAllowed: boolean;
  timeoutMs?: number;
  lookup?: LookupFunction;
}

/** POSTs notices as Standard Webhooks describes. Follows no redirect: a signed notice is for the URL that was given. */
export class Webhook {
  readonly #options: WebhookOptions;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Resolves when the receiver has taken it (2xx). Rejects with `DeliveryFailed`. */
  async post(url: string, id: string, body: string, signal: AbortSignal): Promise<void> {
    const { privateAllowed, timeoutMs = LIMITS.webhookTimeoutMs } = this.#options;
    const late = AbortSignal.timeout(timeoutMs);
    try {
      if (!privateAllowed) requirePublic(new URL(url).hostname);
      const status = await this.#send(url, id, body, AbortSignal.any([signal, late]));
      if (status >= 200 && status < 300) return;
      throw new DeliveryFailed(explain(status), { isFinal: status === 410 });
    } catch (error) {
      if (error instanceof DeliveryFailed) throw error;
      const why = late.aborted ? `no answer within ${timeoutMs / 1000} seconds` : reasonOf(error);
      throw new DeliveryFailed(why, { cause: error });
    }
  }

  async #send(url: string, id: string, body: string, signal: AbortSignal): Promise<number> {
    const { key, privateAllowed, lookup } = this.#options;
    const timestamp = Math.floor(Date.now() / 1000);
    const request = (url.toLowerCase().startsWith('https:') ? https : http).request(url, {
      method: 'POST',
      signal,
      agent: false,
      ...(privateAllowed ? {} : { lookup: lookup ?? publicLookup() }),
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': `tallyman/${packageVersion}`,
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatureOf(key, id, timestamp, body),
      },
    });
    try {
      request.end(body);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await readSome(response);
      return response.statusCode ?? 0;
    } finally {
      request.on('error', () => undefined);
      request.destroy();
    }
  }
}

/** So that a receiver can finish its answer. What it says does not matter, and how it ends neither. */
async function readSome(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > LIMITS.webhookAnswerBytes) return;
    }
  } catch {
    // The status has come, and tells all.
  }
}

function explain(status: number): string {
  if (status >= 300 && status < 400) return `it answered ${status}, and redirects are not followed: give the URL that it leads to`;
  return `it answered ${status}`;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
