import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NatsConnection } from 'nats';
import type { Job } from '../../actors/job.js';
import { readConfig } from '../../src/config.js';
import { connectNats } from '../../src/nats/connection.js';
import { startNatsServer } from '../../src/nats/embedded-server.js';
import { medianMs, rateOf, type MakeRequest } from './load.js';
import { bytesPerJob } from './memory.js';
import { processorTimeUs } from './processor-time.js';

/**
 * What the service does in a second, each figure beside a raw NATS
 * request-reply echo of the same run: the client, the nats-server (real
 * nats.conf, every acknowledgement after its fsync) and the manager are a
 * process each. `npm run bench`. The last column is the manager's processor time
 * for one of them: on a busy machine it tells more than the rate.
 */
const JOBS = 100_000;
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

const dataDir = await mkdtemp(path.join(tmpdir(), 'tallyman-bench-'));
const config = readConfig({ ...process.env, TALLYMAN_DATA: dataDir });
const server = await startNatsServer(config);
const echo = fork(here('echo.js'), [JSON.stringify(server.logins.manager)]);
await once(echo, 'message');
let manager = await startManager();
const nc = await connectNats(server.logins.client, 'client');

const ids: string[] = [];
const idAt = (index: number) => ids[index % ids.length] as string;
const create: MakeRequest = (index) => ['create', `{"type":"render","input":{"frame":${index}}}`];
const progress: MakeRequest = (index) => ['progress', `{"id":"${idAt(index)}","progress":{"bytesTransferred":${index}}}`];
const get: MakeRequest = (index) => ['get', `{"id":"${idAt(index)}"}`];
const echoed: MakeRequest = () => ['echo', '{"type":"render","input":{"frame":1}}'];
const updates: MakeRequest = (index) => [
  'progress',
  JSON.stringify({
    updates: Array.from({ length: 100 }, (_, k) => ({ id: idAt(index * 100 + k), progress: { bytesTransferred: index * 100 + k } })),
  }),
];

print('figure', 'value', 'echo', 'ratio', 'aim', 'manager');
await rateOf(nc, 20_000, 256, echoed); // warms up
await rateOf(nc, 5_000, 256, create);
await learnIds(nc);
for (const [inFlight, aim] of [
  [256, 0.5],
  [64, 0.35],
  [1, null],
] as const) {
  const requests = inFlight === 1 ? 3_000 : 40_000;
  const limit = await rateOf(nc, requests, inFlight, echoed);
  await compare(`create, ${inFlight} in flight`, requests, inFlight, create, limit, aim);
  await compare(`progress, ${inFlight} in flight`, requests, inFlight, progress, limit, aim);
  await compare(`get, ${inFlight} in flight`, requests, inFlight, get, limit, inFlight === 256 ? 0.7 : null);
}
const rest = JOBS - (await total(nc));
if (rest > 0) await rateOf(nc, rest, 256, create);
print(
  `list of 100 among ${await total(nc)} jobs, median`,
  `${(await medianMs(nc, 500, () => ['list', '{}'])).toFixed(2)} ms`,
  '',
  '',
  '1 ms',
);
const bulkStart = processorTimeUs(manager.pid);
const perSecond = (await rateOf(nc, 4_000, 32, updates)) * 100;
const bulkUs = (processorTimeUs(manager.pid) - bulkStart) / 400_000;
print('progress updates, 100 in a request', `${Math.round(perSecond)}/s`, '', '', '150000/s', `${bulkUs.toFixed(1)} µs`);
await stop(manager);
const startedAt = performance.now();
manager = await startManager();
print(`start and recovery of ${await total(nc)} jobs`, `${((performance.now() - startedAt) / 1000).toFixed(2)} s`, '', '', '5 s');
print('memory of a job that nobody has read', `${Math.round(bytesPerJob(JOBS))} B`, '', '', '2048 B');

await nc.close();
await stop(manager);
echo.kill();
await server.stop();
await rm(dataDir, { recursive: true });

async function compare(
  name: string,
  requests: number,
  inFlight: number,
  make: MakeRequest,
  limit: number,
  aim: number | null,
): Promise<void> {
  const before = processorTimeUs(manager.pid);
  const rate = await rateOf(nc, requests, inFlight, make);
  const us = (processorTimeUs(manager.pid) - before) / requests;
  const aimed = aim === null ? '' : aim.toFixed(2);
  print(name, `${Math.round(rate)}/s`, `${Math.round(limit)}/s`, (rate / limit).toFixed(2), aimed, `${us.toFixed(1)} µs`);
}

async function learnIds(nc: NatsConnection): Promise<void> {
  let cursor: string | null = null;
  do {
    const page = JSON.parse((await nc.request('tallyman.jobs.list', JSON.stringify({ limit: 1000, cursor }))).string()) as {
      jobs: Job[];
      nextCursor: string | null;
    };
    ids.push(...page.jobs.map((job) => job.id));
    cursor = page.nextCursor;
  } while (cursor !== null);
}

async function total(nc: NatsConnection): Promise<number> {
  return (JSON.parse((await nc.request('tallyman.jobs.stats', '{}', { timeout: 30_000 })).string()) as { total: number }).total;
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

function print(figure: string, value: string, limit: string, ratio: string, aim: string, manager = ''): void {
  console.log(figure.padEnd(46) + value.padStart(12) + limit.padStart(12) + ratio.padStart(7) + aim.padStart(11) + manager.padStart(10));
}
