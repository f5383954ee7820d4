import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import { randomUUID } from 'node:crypto';
import { JobError } from '../../actors/errors.js';
import type { Job, Progress } from '../../actors/job.js';
import type { Change, RecordKind } from '../../actors/journal.js';
import { patched, type Patch } from '../../actors/patch.js';
import type { Answers } from '../../src/answers.js';
import type { SnapshotClient } from '../../src/nats/job-snapshot.js';
import { encodeRecord } from '../../src/nats/journal-record.js';
import { connectNats } from '../../src/nats/connection.js';
import { subjectsOf } from '../../src/subjects.js';
import type { TestNats } from '../support/nats-server.js';
import { sampleJob } from '../support/sample-job.js';

const { journalStream, journal } = subjectsOf('tallyman');

export const makeJob = (id: string, fields: Partial<Job> = {}): Job =>
  sampleJob({ id, type: 'work', options: { maxRetries: 0 }, ...fields });

/** Writes the journal as the JobManager does, and answers `list` and `get` from what it wrote. */
export class Scribe {
  readonly nc: NatsConnection;
  readonly jobs = new Map<string, Job>();
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  seq = 0;
  /** Called in the middle of every `list`, before it is answered. */
  whileListing: () => Promise<void> = () => Promise.resolve();

  private constructor(nc: NatsConnection, jsm: JetStreamManager) {
    this.nc = nc;
    this.js = nc.jetstream();
    this.jsm = jsm;
  }

  static async start(nats: TestNats): Promise<Scribe> {
    const nc = await connectNats(nats.logins.journal, 'journal');
    const scribe = new Scribe(nc, await nc.jetstreamManager({ checkAPI: false, timeout: 1000 }));
    await scribe.makeStream();
    return scribe;
  }

  async makeStream(): Promise<void> {
    await this.jsm.streams.add({ name: journalStream, subjects: [journal] });
    this.seq = 0;
  }

  /** Sets fields of a job, which it makes when it is not there. */
  async put(id: string, fields: Partial<Job> = {}): Promise<number> {
    return await this.commit([{ id, fields }]);
  }

  async del(id: string): Promise<number> {
    return await this.commit([{ id, fields: null }]);
  }

  /** New progress of a job that is there: a patch. */
  async progress(id: string, progress: Partial<Progress>): Promise<number> {
    const before = this.jobs.get(id)!;
    const patch: Patch = { id, version: before.version + 1, updatedAt: before.updatedAt, progress };
    const seq = await this.append('commit', [{ patch, over: before.version }]);
    this.jobs.set(id, patched(before, patch));
    return seq;
  }

  /** One record; `fields: null` deletes. Answers its sequence. */
  async commit(changes: { id: string; fields: Partial<Job> | null }[]): Promise<number> {
    const table = new Map(this.jobs);
    const lines = changes.map(({ id, fields }): Change => {
      if (!fields) {
        table.delete(id);
        return { del: id };
      }
      const before = table.get(id);
      const job = before ? { ...before, ...fields, version: before.version + 1 } : makeJob(id, fields);
      table.set(id, job);
      return { put: job };
    });
    const seq = await this.append('commit', lines);
    this.jobs.clear();
    for (const [id, job] of table) this.jobs.set(id, job);
    return seq;
  }

  async append(kind: RecordKind, changes: Change[]): Promise<number> {
    const lines = changes.map((change) => JSON.stringify(change));
    return await this.appendBytes(encodeRecord({ kind, epoch: 1, commit: randomUUID(), at: new Date().toISOString(), lines }));
  }

  async appendBytes(bytes: Uint8Array): Promise<number> {
    const ack = await this.js.publish(journal, bytes, { msgID: randomUUID(), timeout: 10_000 });
    return (this.seq = ack.seq);
  }

  async purgeBelow(seq: number): Promise<void> {
    await this.jsm.streams.purge(journalStream, { seq });
  }

  async consumers(): Promise<number> {
    return (await this.jsm.streams.info(journalStream)).state.consumer_count;
  }

  readonly client = {
    ask: async (verb: 'list' | 'get', body: { id?: string; status?: string[]; limit?: number; cursor?: string | null }) =>
      verb === 'list' ? await this.#list(body) : this.#get(body.id ?? ''),
  } as unknown as SnapshotClient;

  async #list({ status, limit = 100, cursor }: { status?: string[]; limit?: number; cursor?: string | null }): Promise<Answers['list']> {
    const fitting = [...this.jobs.values()].filter((job) => status?.includes(job.status) ?? true).sort((a, b) => (a.id < b.id ? 1 : -1));
    const rest = fitting.filter((job) => !cursor || job.id < cursor);
    const jobs = rest.slice(0, limit);
    const { seq } = this;
    await this.whileListing();
    return { jobs, nextCursor: rest.length > limit ? (jobs.at(-1)?.id ?? null) : null, total: fitting.length, seq };
  }

  #get(id: string): Job {
    const job = this.jobs.get(id);
    if (!job) throw new JobError('job_not_found', `There is no job ${id}.`);
    return job;
  }
}
