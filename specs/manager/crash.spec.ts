import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { Job } from '../../actors/job.js';
import { JobClient } from '../../src/job-client.js';
import type { NatsLogin } from '../../src/nats/connection.js';
import { endProcess } from '../support/split-service.js';

const CRASHES = 5;
const WRITERS = 4;

const dataDirs: string[] = [];
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) await endProcess(child, 'SIGTERM');
  for (const dataDir of dataDirs) await rm(dataDir, { recursive: true, force: true });
});

/** The whole service as a process of its own, once it serves, and a client of it. */
async function serve(dataDir: string): Promise<{ running: ChildProcess; client: JobClient }> {
  const args = ['dist/src/main.js', 'serve', '--data', dataDir, '--http-port', '0', '--worker-slots', '0'];
  const running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(running);
  let said = '';
  for (const output of [running.stdout, running.stderr]) output.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await vi.waitFor(() => expect(said).toContain('Tallyman runs.'), { timeout: 20_000, interval: 20 });
  const { nats } = JSON.parse(await readFile(path.join(dataDir, 'connection.json'), 'utf8')) as { nats: NatsLogin };
  return { running, client: await JobClient.connect(nats) };
}

async function killNats(dataDir: string): Promise<void> {
  process.kill(Number(await readFile(path.join(dataDir, 'nats.pid'), 'utf8')), 'SIGKILL');
}

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

const countOf = (writers: readonly Writer[]): number => writers.reduce((sum, { jobs }) => sum + jobs.size, 0);

test.concurrent.each([
  ['with its nats-server', true],
  ['without its nats-server', false],
])(`killed ${CRASHES} times at random moments %s, it has lost and doubled nothing`, { timeout: 60_000 }, async (_what, withNats) => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
  dataDirs.push(dataDir);
  const writers: Writer[] = Array.from({ length: WRITERS }, (_, n) => ({ prefix: `writer ${n}`, jobs: new Map(), next: 0 }));
  for (let crash = 0; ; crash += 1) {
    const { running, client } = await serve(dataDir);
    const stored = new Map((await everyJob(client)).map((job) => [job.id, job]));
    const known = writers.flatMap(({ jobs }) => [...jobs.values()]);
    for (const { id, version } of known) expect(stored.get(id)?.version ?? 0).toBeGreaterThanOrEqual(version);
    // One key, one job: at most the one that each writer was about to hear of is there besides.
    expect(stored.size - known.length).toBeGreaterThanOrEqual(0);
    expect(stored.size - known.length).toBeLessThanOrEqual(WRITERS);
    if (crash === CRASHES) {
      await client.close();
      return;
    }
    const writing = writers.map((writer) => write(writer, client));
    const enough = known.length + 5 + Math.floor(Math.random() * 100);
    await vi.waitFor(() => expect(countOf(writers)).toBeGreaterThan(enough), { timeout: 30_000, interval: 2 });
    if (withNats) await killNats(dataDir);
    await endProcess(running, 'SIGKILL');
    await client.close();
    await Promise.all(writing);
  }
});
