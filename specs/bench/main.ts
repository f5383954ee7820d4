import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answers } from '../../src/answers.js';
import { readConfig } from '../../src/config.js';
import { JobClient } from '../../src/job-client.js';
import { connectNats, type NatsLogin } from '../../src/nats/connection.js';
import { startNatsServer } from '../../src/nats/embedded-server.js';
import { medianMs, rateOf, type MakeRequest, type Send } from './load.js';
import { bytesPerJob } from './memory.js';
import { processorTimeUs } from './processor-time.js';

/**
 * What the service does in a second, asked by its own client, each figure beside
 * a raw NATS request-reply echo of the same run (the NATS library's `request`;
 * one heard as our client hears its answers stands below it):
 * the client, the nats-server (real nats.conf, every acknowledgement after its
 * fsync) and the manager are a process each. `npm run bench`. The last columns
 * are the processor time of each of the three for one of them: on a busy
 * machine it tells more than the rate.
 */
const JOBS = 100_000;
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

const dataDir = await mkdtemp(path.join(tmpdir(), 'tallyman-bench-'));
const config = readConfig({ ...process.env, TALLYMAN_DATA: dataDir });
const server = await startNatsServer(config);
const echo = await forked('echo.js', server.logins.manager);
const echoed = { library: await echoClient('library'), inbox: await echoClient('inbox') };
let manager = await startManager();
const nc = await connectNats(server.logins.client, 'client');
const client = new JobClient(nc);

const ids: string[] = [];
const idAt = (index: number) => ids[index % ids.length] as string;
const create: MakeRequest = (index) => ['create', `{"type":"render","input":{"frame":${index}}}`];
const progress: MakeRequest = (index) => ['progress', `{"id":"${idAt(index)}","progress":{"bytesTransferred":${index}}}`];
const get: MakeRequest = (index) => ['get', `{"id":"${idAt(index)}"}`];
const asked =
  (make: MakeRequest): Send =>
  (index) =>
    client.askText(...make(index));
const updates: MakeRequest = (index) => [
  'progress',
  JSON.stringify({
    updates: Array.from({ length: 100 }, (_, k) => ({ id: idAt(index * 100 + k), progress: { bytesTransferred: index * 100 + k } })),
  }),
];

print('figure', 'value', 'echo', 'ratio', 'aim', 'client', 'server', 'manager');
await rateOf(30_000, 256, asked(create));
await learnIds();
for (const [inFlight, aim] of [
  [256, 0.5],
  [64, 0.35],
  [1, null],
] as const) {
  const requests = inFlight === 1 ? 3_000 : 40_000;
  const load = { requests, inFlight };
  const limit = await measured(`echo, ${inFlight} in flight`, load, echoed.library, echo);
  await measured('  as JobClient hears its answers', load, echoed.inbox, echo, limit);
  await measured(`create, ${inFlight} in flight`, load, byClient(create), manager, limit, aim);
  await measured(`progress, ${inFlight} in flight`, load, byClient(progress), manager, limit, aim);
  await measured(`get, ${inFlight} in flight`, load, byClient(get), manager, limit, inFlight === 256 ? 0.7 : null);
}
const rest = JOBS - (await total());
if (rest > 0) await rateOf(rest, 256, asked(create));
const listMs = await medianMs(
  500,
  asked(() => ['list', '{}']),
);
print(`list of 100 among ${await total()} jobs, median`, `${listMs.toFixed(2)} ms`, '', '', '1 ms');
const bulkStart = processorTimeUs(manager.pid);
const perSecond = (await rateOf(4_000, 32, asked(updates))) * 100;
const bulkUs = (processorTimeUs(manager.pid) - bulkStart) / 400_000;
print('progress updates, 100 in a request', `${Math.round(perSecond)}/s`, '', '', '150000/s', '', '', `${bulkUs.toFixed(1)} µs`);
await stop(manager);
const startedAt = performance.now();
manager = await startManager();
print(`start and recovery of ${await total()} jobs`, `${((performance.now() - startedAt) / 1000).toFixed(2)} s`, '', '', '5 s');
print('memory of a job that nobody has read', `${Math.round(bytesPerJob(JOBS))} B`, '', '', '2048 B');

await nc.close();
await stop(manager);
for (const child of [echo, echoed.library, echoed.inbox]) child.kill();
await server.stop();
await rm(dataDir, { recursive: true });

/** Asks at a load and answers the rate. */
interface Asker {
  pid: number | undefined;
  rate(load: Load): Promise<number>;
}
interface Load {
  requests: number;
  inFlight: number;
}

function byClient(make: MakeRequest): Asker {
  return { pid: process.pid, rate: ({ requests, inFlight }) => rateOf(requests, inFlight, asked(make)) };
}

async function echoClient(how: 'library' | 'inbox'): Promise<Asker & { kill(): void }> {
  const child = await forked('echo-client.js', server.logins.client, how);
  const rate = async (load: Load) => {
    const answered = once(child, 'message') as Promise<[number]>;
    child.send(load);
    return (await answered)[0];
  };
  return { pid: child.pid, rate, kill: () => child.kill() };
}

/** Resolves when it is ready. */
async function forked(file: string, login: NatsLogin, ...args: string[]): Promise<ChildProcess> {
  const child = fork(here(file), [JSON.stringify(login), ...args]);
  await once(child, 'message');
  return child;
}

/** Prints one line, and answers the rate. */
async function measured(
  name: string,
  load: Load,
  asking: Asker,
  answering: ChildProcess,
  limit?: number,
  aim: number | null = null,
): Promise<number> {
  const times = () => [asking.pid, server.pid, answering.pid].map(processorTimeUs);
  const before = times();
  const rate = await asking.rate(load);
  const us = times().map((after, index) => `${((after - (before[index] as number)) / load.requests).toFixed(1)} µs`);
  const ratio = limit === undefined ? ['', ''] : [`${Math.round(limit)}/s`, (rate / limit).toFixed(2)];
  print(name, `${Math.round(rate)}/s`, ...(ratio as [string, string]), aim === null ? '' : aim.toFixed(2), ...us);
  return rate;
}

async function learnIds(): Promise<void> {
  let cursor: string | null = null;
  do {
    const page: Answers['list'] = await client.list({ limit: 1000, cursor });
    ids.push(...page.jobs.map((job) => job.id));
    cursor = page.nextCursor;
  } while (cursor !== null);
}

async function total(): Promise<number> {
  return (await client.ask('stats', {})).total;
}

async function startManager(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [...(process.env['BENCH_MANAGER_FLAGS']?.split(' ') ?? []), here('../../src/main.js'), 'manager', '--data', dataDir],
    {
      env: { ...process.env, TALLYMAN_NATS_URL: server.url },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk) => {
      if (String(chunk).includes('leading')) resolve();
    });
  });
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}

function print(figure: string, value: string, limit: string, ratio: string, aim: string, ...times: string[]): void {
  console.log(
    figure.padEnd(46) +
      value.padStart(12) +
      limit.padStart(12) +
      ratio.padStart(7) +
      aim.padStart(11) +
      times.map((time) => time.padStart(10)).join(''),
  );
}
