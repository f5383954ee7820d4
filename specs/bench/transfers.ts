import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Job } from '../../actors/job.js';
import { readConnection } from '../../src/connection-file.js';
import { JobClient, type RequestBody } from '../../src/job-client.js';
import { processorTimeUs } from './processor-time.js';
import { SLOW_MS, makeSlowRsync } from './slow-disk.js';

/**
 * Transfers through the service beside the bare programs, by turns in one run:
 * `npm run bench`. A ratio below 1 is faster than the bare program. On a busy
 * machine the processor time tells more than the time: of the program and all
 * that it starts, here of the service (with its nats-server) and all of its rsyncs.
 *
 * Every copy goes to a new folder: ext4 does not use the inode of a deleted file
 * again for minutes, and looking past thousands of them costs more than a copy.
 */
const sizes = {
  bigBytes: Number(process.env['BENCH_BIG_BYTES'] ?? 1e9),
  smallFiles: Number(process.env['BENCH_SMALL_FILES'] ?? 50_000),
  tinyJobs: Number(process.env['BENCH_TINY_JOBS'] ?? 1_000),
  slowFiles: Number(process.env['BENCH_SLOW_FILES'] ?? 5_000),
  rounds: Number(process.env['BENCH_ROUNDS'] ?? 3),
};
const PARALLEL = 2;
const PARALLEL_SLOW = 8;
const root = mkdtempSync(path.join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'tallyman-bench-'));
const at = (name: string) => path.join(root, name);
let copies = 0;

interface Measured {
  seconds: number;
  cpuSeconds: number;
}

let service = await startService('data');
try {
  await makeBig(at('big'), sizes.bigBytes);
  makeSmall(at('small'), sizes.smallFiles);
  makeTiny(at('tiny'), sizes.tinyJobs);
  console.log(
    'figure'.padEnd(44),
    'seconds'.padStart(9),
    'ratio'.padStart(7),
    'aim'.padStart(7),
    'processor'.padStart(11),
    'ratio'.padStart(7),
  );
  await compare([
    [`one file of ${sizes.bigBytes / 1e6} MB, bare rsync`, () => bare('big')],
    ['  this', () => viaJob('big'), 1.03],
  ]);
  await compare([
    [`${sizes.smallFiles} files of 1 KB, bare rsync`, () => bare('small')],
    ['  this', () => viaJob('small')],
    [`  this, parallel: ${PARALLEL}`, () => viaJob('small', { parallel: PARALLEL }), 1],
  ]);
  await compare([
    [`${sizes.tinyJobs} jobs of one file, xargs -P 2 rsync`, () => viaXargs('tiny')],
    ['  this, two slots', () => viaJobs('tiny'), 1.25],
  ]);
  await compareOnSlowDisk();
} finally {
  await service.stop();
  rmSync(root, { recursive: true, force: true });
}

/** Where one rsync waits, several do not wait for one another. */
async function compareOnSlowDisk(): Promise<void> {
  const folder = makeSlowRsync(at('slow-rsync'));
  if (folder === null) {
    console.log('No figures for a slow disk: there is no C compiler (cc) here to make one.');
    return;
  }
  makeSmall(at('slow'), sizes.slowFiles);
  await service.stop();
  service = await startService('slow-data', { PATH: `${folder}:${process.env['PATH'] ?? ''}` });
  await compare([
    [`${sizes.slowFiles} files, a disk that takes ${SLOW_MS} ms, bare`, () => bare('slow', path.join(folder, 'rsync'))],
    ['  this', () => viaJob('slow')],
    [`  this, parallel: ${PARALLEL_SLOW}`, () => viaJob('slow', { parallel: PARALLEL_SLOW }), 1],
  ]);
}

type Case = [name: string, copy: () => Promise<Measured>, aim?: number];

/** Each case once a round, the first is what the others are compared with. Prints the medians; ratios are of the same round. */
async function compare(cases: Case[]): Promise<void> {
  const rounds: Measured[][] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const measured: Measured[] = [];
    for (const [, copy] of cases) measured.push(await copy());
    rounds.push(measured);
  }
  cases.forEach(([name, , aim], index) => {
    const ratio = (of: (one: Measured) => number) => median(rounds.map((round) => of(round[index] as Measured) / of(round[0] as Measured)));
    const middle = (of: (one: Measured) => number) => median(rounds.map((round) => of(round[index] as Measured)));
    console.log(
      name.padEnd(44),
      middle((one) => one.seconds)
        .toFixed(2)
        .padStart(9),
      ratio((one) => one.seconds)
        .toFixed(2)
        .padStart(7),
      (aim?.toFixed(2) ?? '').padStart(7),
      `${middle((one) => one.cpuSeconds).toFixed(2)} s`.padStart(11),
      ratio((one) => one.cpuSeconds)
        .toFixed(2)
        .padStart(7),
    );
  });
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function newDestination(): string {
  return at(`copy-${++copies}`);
}

function bare(source: string, rsync = 'rsync'): Promise<Measured> {
  return ofProgram(rsync, ['-a', `${at(source)}/`, `${newDestination()}/`]);
}

function viaXargs(source: string): Promise<Measured> {
  const to = newDestination();
  mkdirSync(to);
  return ofProgram('xargs', ['-a', at(`${source}.names`), '-P', '2', '-I{}', 'rsync', '-a', `${at(source)}/{}/`, `${to}/{}/`]);
}

/** A program that is waited for is counted with all that it waited for. */
async function ofProgram(program: string, args: string[]): Promise<Measured> {
  const startedAt = performance.now();
  const child = spawn('sh', ['-c', '"$@"; status=$?; times; exit $status', 'sh', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  const times = [...text.matchAll(/(\d+)m([\d.]+)s/g)].map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds));
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: times.slice(2).reduce((sum, one) => sum + one, 0) };
}

function transfer(source: string, destination: string, options: object = {}): RequestBody<'create'> {
  return { type: 'rsync', source, destination, options };
}

function viaJob(source: string, options: object = {}): Promise<Measured> {
  return ofService(async ({ client }) => {
    const { id } = await client.create(transfer(`${at(source)}/`, `${newDestination()}/`, options));
    for (;;) {
      const job = await client.get(id);
      if (isDone(job)) return;
      // Asking more often would take a tenth of what is measured.
      await sleep(20);
    }
  });
}

function viaJobs(source: string): Promise<Measured> {
  const to = newDestination();
  mkdirSync(to);
  return ofService(async ({ client }) => {
    const jobs = namesOf(sizes.tinyJobs).map((name) => transfer(`${at(source)}/${name}/`, `${to}/${name}/`));
    const { jobs: made } = await client.ask('create_many', { jobs }, { timeoutMs: 60_000 });
    const last = made.at(-1)?.id ?? '';
    while (!isDone(await client.get(last))) await sleep(50);
    while ((await client.list({ status: ['queued', 'running', 'failed'], limit: 1 })).total > 0) {
      const failed = await client.list({ status: ['failed'], limit: 1 });
      failed.jobs.forEach(isDone);
      await sleep(20);
    }
  });
}

function isDone(job: Job): boolean {
  if (job.status === 'failed') throw new Error(job.error?.message);
  return job.status === 'completed';
}

async function ofService(act: (running: Service) => Promise<void>): Promise<Measured> {
  const [startedAt, cpu] = [performance.now(), service.cpuSeconds()];
  await act(service);
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: service.cpuSeconds() - cpu };
}

interface Service {
  client: JobClient;
  cpuSeconds(): number;
  stop(): Promise<void>;
}

async function startService(name: string, more: Record<string, string> = {}): Promise<Service> {
  const data = at(name);
  mkdirSync(data);
  const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'serve'], {
    env: { ...process.env, TALLYMAN_DATA: data, TALLYMAN_ROOTS: root, TALLYMAN_HTTP_PORT: '0', TALLYMAN_WORKER_SLOTS: '2', ...more },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const connection = await ready(child, data);
  const client = await JobClient.connect(connection.nats);
  const others = childrenOf(child.pid ?? 0);
  return {
    client,
    cpuSeconds: () => endedAndOwnSeconds(child.pid ?? 0) + others.reduce((sum, pid) => sum + processorTimeUs(pid), 0) / 1e6,
    stop: async () => {
      await client.close();
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function ready(child: ChildProcess, data: string) {
  for (;;) {
    const connection = await readConnection(data).catch(() => null);
    if (connection) return connection;
    if (child.exitCode !== null) throw new Error('The service did not start.');
    await sleep(50);
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** Processor time of a process, and of its children that have ended. */
function endedAndOwnSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .map(Number);
  const hertz = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return [11, 12, 13, 14].reduce((sum, field) => sum + (fields[field] ?? 0), 0) / hertz;
}

async function makeBig(folder: string, bytes: number): Promise<void> {
  mkdirSync(folder);
  const file = createWriteStream(path.join(folder, 'file'));
  const block = Buffer.alloc(1024 * 1024, 'The quick brown fox jumps over the lazy dog. ');
  for (let left = bytes; left > 0; left -= block.length) {
    block.writeDoubleLE(left, 0);
    if (!file.write(block.subarray(0, left))) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

function makeSmall(folder: string, files: number): void {
  const content = Buffer.alloc(1024, 'x');
  for (let index = 0; index < files; index++) {
    const holder = path.join(folder, `${Math.floor(index / 2000)}`, `${Math.floor(index / 100)}`);
    if (index % 100 === 0) mkdirSync(holder, { recursive: true });
    writeFileSync(path.join(holder, `file ${index}`), content);
  }
}

function makeTiny(folder: string, jobs: number): void {
  for (const name of namesOf(jobs)) {
    mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(folder, name, 'file'), 'tiny');
  }
  writeFileSync(`${folder}.names`, `${namesOf(jobs).join('\n')}\n`);
}

function namesOf(jobs: number): string[] {
  return Array.from({ length: jobs }, (_, index) => `job-${index}`);
}
