import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { readConfig } from '../../src/config.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../src/http/gateway.js';
import type { WatchEvent } from '../../src/nats/watch-hub.js';
import { sampleJob } from '../support/sample-job.js';

export const TOKEN = 'a-token-for-the-specs';

export interface StubGateway extends Gateway {
  token: string;
  /** What the gateway wrote to the log of the process. */
  logged: { message: string; details: Record<string, unknown> }[];
}

/** A gateway alone, for what the service behind it cannot be made to do. `settings` as in the environment. */
export async function startStubGateway(parts: Partial<GatewayOptions> = {}, settings: Record<string, string> = {}): Promise<StubGateway> {
  const logged: StubGateway['logged'] = [];
  const refuse = () => Promise.reject(new JobError('unavailable', 'nobody is there'));
  const gateway = await startGateway({
    config: readConfig({ TALLYMAN_HTTP_PORT: '0', ...settings }),
    token: TOKEN,
    client: { ask: refuse, askText: refuse },
    hub: new StubHub(),
    logs: { read: () => Promise.resolve({ lines: [], last: 0 }), follow: () => Promise.resolve({ stop: () => undefined }) },
    durability: 'none: a stub',
    writeLog: (message, details) => logged.push({ message, details }),
    ...parts,
  });
  return { ...gateway, token: TOKEN, logged };
}

/** A hub whose events come from the spec. */
export class StubHub implements Pick<NonNullable<GatewayOptions['hub']>, 'watch' | 'watchers'> {
  readonly sinks = new Set<(event: WatchEvent) => void>();

  get watchers(): number {
    return this.sinks.size;
  }

  watch(_filter: object, _since: number | undefined, sink: (event: WatchEvent) => void) {
    this.sinks.add(sink);
    const first: WatchEvent = { kind: 'snapshot', seq: 1, jobs: [], deleted: [] };
    return Promise.resolve({ first, seq: 1, stop: () => void this.sinks.delete(sink) });
  }

  emit(event: Partial<WatchEvent> & { seq: number }): void {
    for (const sink of this.sinks) sink({ kind: 'changed', jobs: [], deleted: [], ...event });
  }
}

export function stubJob(id: string, version: number, input: unknown = null): Job {
  return sampleJob({ id, version, input, status: 'running', attempt: 1, startedAt: '2026-01-01T00:00:00.000Z' });
}
