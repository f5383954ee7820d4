import type { BandwidthNow } from '../actors/bandwidth-watch.js';
import type { FileCounts, HistoryEntry, Job, JobStatus } from '../actors/job.js';
import type { ErrorBody } from '../actors/errors.js';
import type { Reason } from '../actors/reasons.js';
import type { Schedule } from '../actors/schedule.js';
import type { FileRecord } from './file-record.js';
import type { LogLine } from './log-line.js';

/** One of many: the answer for that item, or why it was refused. */
export type ItemResult<T> = ({ id: string } & T) | { id: string; error: ErrorBody };

export interface ProgressAnswer {
  version: number;
  /** What the manager wants of the attempt. */
  wanted: Job['wanted'];
  /** How long the attempt may now be silent. */
  leaseMs: number;
}

interface BandwidthAnswer extends BandwidthNow {
  /** Of the running transfers; null: not limited, since there was no limit when it began. */
  shares: { id: string; bytesPerSecond: number | null }[];
}

interface Stats {
  total: number;
  byStatus: Record<JobStatus, number>;
  byType: Record<string, number>;
  /** `active`: those that wait for a time, of which `nextAt` is the first. */
  schedules: { total: number; active: number; nextAt: string | null };
  seq: number;
  epoch: number;
  startedAt: string;
  /** How far the clock of the manager's machine stands behind the newest change; `timesHeld`: new changes get the time of that one until it has caught up. */
  clock: { behindMs: number; timesHeld: boolean };
  mailbox: { messages: number; bytes: number; parkedClaims: number };
  journal: { bytes: number; messages: number; firstSeq: number; liveBytes: number };
  counters: { asks: number; commits: number; changes: number; errors: Record<string, number> };
}

/** An amount of a preview; `bytes` is null when there are too many files to look at each. */
interface Previewed {
  files: number;
  folders: number;
  bytes: number | null;
}

export interface Preview {
  /** `create` with it runs no more than this. */
  previewId: string;
  expiresAt: string;
  counts: {
    create: Previewed;
    change: Previewed;
    delete: Previewed;
    /** Left out of the source by the patterns; what is in such a folder is not counted. */
    skip: { files: number; folders: number };
    equal: { files: number };
  };
  /** Those to be deleted first. */
  names: { change: 'create' | 'change' | 'delete'; path: string; bytes: number | null }[];
  truncated: boolean;
  /** Patterns that nothing matched. */
  unusedPatterns: string[];
  /** What will run. Where a trash folder has the id of the job and the attempt in its name, `JOB-1` stands. */
  command: string[];
  /** The same for a shell. */
  commandText: string;
  /** Why the job would fail as things are now. */
  findings: { code: string; message: string; advice: string | null }[];
}

/** A schedule with the next five times at which it is due. */
export type ScheduleAnswer = Schedule & { next: string[] };

/** The answer of every verb. Commands take one `id` and answer the job, or `ids` and answer `results`. */
export interface Answers {
  create: Job;
  create_many: { jobs: Job[] };
  get: Job;
  list: { jobs: Job[]; nextCursor: string | null; total: number; seq: number };
  stats: Stats;
  history: { history: HistoryEntry[]; truncated: boolean };
  why: { reasons: Reason[] };
  verify: Job;
  update: Job;
  progress: Job | { results: ItemResult<ProgressAnswer>[] };
  start: Job | { results: ItemResult<{ job: Job }>[] };
  pause: Answers['start'];
  resume: Answers['start'];
  cancel: Answers['start'];
  retry: Answers['start'];
  delete: { deleted: string[] } | { results: ItemResult<{ deleted: true }>[] };
  reorder: Job;
  duplicate: Job;
  bandwidth: BandwidthAnswer;
  set_bandwidth: BandwidthAnswer;
  cleanup: { deleted: number; ids: string[]; remaining: number };
  claim: { job: Job | null; leaseMs: number };
  heartbeat: ProgressAnswer;
  complete: Job;
  fail: Job;
  release: Job;
  schedule_create: ScheduleAnswer;
  schedule_update: ScheduleAnswer;
  schedule_get: ScheduleAnswer;
  schedule_list: { schedules: Schedule[]; nextCursor: string | null; total: number };
  schedule_delete: { deleted: string[] };
  schedule_run: Job;
  preview: Preview;
  /** `total`, with `reset`: how many jobs there are; of more than `LIMITS.watchSnapshotJobs` the oldest are left out. */
  changes: { seq: number; jobs: Job[]; deleted: string[]; reset: boolean; total?: number | undefined };
  logs: { lines: LogLine[]; last: number };
  /** `next` is null at the end; `counts`, on the first page, is of all files of the attempt, once they are stored. */
  files: { attempt: number; files: FileRecord[]; next: number | null; counts?: FileCounts | undefined };
}
