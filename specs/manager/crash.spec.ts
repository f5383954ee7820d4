import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import { JobClient } from '../../src/job-client.js';
import type { NatsLogin } from '../../src/nats/connection.js';
import { endProcess } from '../support/split-service.js';

const CRASHES = 10;
const WRITERS = 4;

let dataDir: string;
let service: ChildProcess | undefined;
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
});
afterAll(async () => {
  if (service) await endProcess(service, 'SIGTERM');
  await rm(dataDir, { recursive: true, force: true });
});

/** The whole service as a process of its own, once it serves, and a client of it. */
async function serve(): Promise<{ process: ChildProcess; client: JobClient }> {
  const args = ['dist/src/main.js', 'serve', '--data', dataDir, '--http-port', '0', '--worker-slots', '0', '--ask-timeout-ms', '1000'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  service = child;
  let said = '';
  for (const output of [child.stdout, child.stderr]) output.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await expect.poll(() => said, { timeout: 20_000, interval: 20 }).toContain('Tallyman runs.');
  const { nats } = JSON.parse(await readFile(path.join(dataDir, 'connection.json'), 'utf8')) as { nats: NatsLogin };
  return { process: child, client: await JobClient.connect(nats, { askTimeoutMs: 1000 }) };
}

const natsPid = async () => Number(await readFile(path.join(dataDir, 'nats.pid'), 'utf8'));

/** What one writer knows to be stored, and what it has asked and not been answered: that it asks again. */
interface Writer {
  prefix: string;
  jobs: Map<string, { id: string; version: number }>;
  next: number;
}

/** Creates a job, updates it twice, and so on, until the service is gone. */
async function write(writer: Writer, client: JobClient): Promise<void> {
  for (;;) {
    const key = `${writer.prefix} ${writer.next}`;
    try {
      const { id, version } = await client.create({ type: 'crash', idempotencyKey: key });
      writer.jobs.set(key, { id, version });
      for (const name of ['first', 'second']) {
        const changed = await client.ask('update', { id, name });
        writer.jobs.set(key, { id, version: changed.version });
      }
      writer.next += 1;
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/unavailable|outcome_unknown/) as string });
      return;
    }
  }
}

async function everyJob(client: JobClient): Promise<Job[]> {
  const jobs: Job[] = [];
  let cursor: string | null = null;
  do {
    const page: { jobs: Job[]; nextCursor: string | null } = await client.list({ limit: 1000, cursor });
    jobs.push(...page.jobs);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return jobs;
}

test(
  `killed ${CRASHES} times at random moments, with and without its nats-server, it has lost and doubled nothing`,
  { timeout: 120_000 },
  async () => {
    const writers: Writer[] = Array.from({ length: WRITERS }, (_, n) => ({ prefix: `writer ${n}`, jobs: new Map(), next: 0 }));
    for (let crash = 0; crash <= CRASHES; crash += 1) {
      const { process: running, client } = await serve();
      const stored = new Map((await everyJob(client)).map((job) => [job.id, job]));
      const known = writers.flatMap(({ jobs }) => [...jobs.values()]);
      for (const { id, version } of known) expect(stored.get(id)?.version ?? 0).toBeGreaterThanOrEqual(version);
      // One key, one job: at most the one that each writer was about to hear of is there besides.
      expect(stored.size - known.length).toBeGreaterThanOrEqual(0);
      expect(stored.size - known.length).toBeLessThanOrEqual(WRITERS);
      if (crash < CRASHES) {
        const writing = writers.map((writer) => write(writer, client));
        const before = known.length;
        const more = 20 + Math.floor(Math.random() * 200);
        await expect.poll(() => writers.reduce((sum, { jobs }) => sum + jobs.size, 0), { interval: 2 }).toBeGreaterThan(before + more);
        if (crash % 2 === 0) process.kill(await natsPid(), 'SIGKILL');
        await endProcess(running, 'SIGKILL');
        await Promise.all(writing);
      }
      await client.close();
    }
  },
);
