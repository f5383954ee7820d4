import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identityOf } from '../src/process-identity.js';

let dataDir: string;
let service: ChildProcess;
let said: string;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
});
afterEach(async () => {
  if (service.exitCode === null && service.signalCode === null) {
    service.kill('SIGTERM');
    await once(service, 'exit');
  }
  await rm(dataDir, { recursive: true, force: true });
});

/** The whole service as a process of its own, once it serves. */
async function serve(): Promise<ChildProcess> {
  service = spawn(process.execPath, ['dist/src/main.js', 'serve', '--data', dataDir, '--http-port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  said = '';
  for (const output of [service.stdout, service.stderr]) output?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await expect.poll(() => said, { timeout: 20_000 }).toContain('Tallyman runs.');
  return service;
}

const natsPid = async () => Number(await readFile(path.join(dataDir, 'nats.pid'), 'utf8'));

test.each(['SIGTERM', 'SIGINT'] as const)('%s stops the service and its nats-server', async (signal) => {
  const running = await serve();
  const pid = await natsPid();
  running.kill(signal);
  expect(await once(running, 'exit')).toEqual([0, null]);
  expect(await identityOf(pid)).toBeNull();
});

test('one Ctrl-C under npm comes twice, and is one', async () => {
  const running = await serve();
  const pid = await natsPid();
  running.kill('SIGINT');
  await expect.poll(() => said, { interval: 5 }).toContain('stopping');
  running.kill('SIGINT');
  expect(await once(running, 'exit')).toEqual([0, null]);
  expect(await identityOf(pid)).toBeNull();
});

test('after kill -9 the next start ends what was left and serves', async () => {
  const killed = await serve();
  const left = await natsPid();
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect(await identityOf(left)).not.toBeNull();
  await serve();
  expect(await identityOf(left)).toBeNull();
});
