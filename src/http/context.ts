import type { Config } from '../config.js';
import type { JobClient } from '../job-client.js';
import type { LogReader } from '../nats/log-reader.js';
import type { WriteLog } from '../nats/respond.js';
import type { WatchHub } from '../nats/watch-hub.js';
import type { HttpCounters } from './http-counters.js';
import type { LongLived } from './long-lived.js';

/** How often an open stream shows a sign of life, and how long a client may take to send a request. */
export interface GatewayTimings {
  heartbeatMs: number;
  requestMs: number;
}

/** What every route of one gateway works with. */
export interface GatewayContext {
  readonly config: Config;
  readonly client: Pick<JobClient, 'ask' | 'askText'>;
  readonly hub: Pick<WatchHub, 'watch' | 'watchers'>;
  readonly logs: Pick<LogReader, 'read' | 'follow'>;
  /** What an acknowledgement is worth on this NATS server, in a sentence; `/healthz` shows it. */
  readonly durability: string;
  readonly writeLog: WriteLog;
  readonly timings: GatewayTimings;
  readonly counters: HttpCounters;
  readonly longLived: LongLived;
}
