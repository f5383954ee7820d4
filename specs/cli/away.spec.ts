import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { startTestService } from '../support/service.js';
import { MAIN, announce, cliEnv, runCli, startCli } from './cli.js';

const BYTES = 4_000_000;

let folder: string;
let dataDir: string;
const started: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
  dataDir = path.join(folder, 'data');
  await mkdir(path.join(folder, 'src'));
  await writeFile(path.join(folder, 'src/film.bin'), Buffer.alloc(BYTES, 'a'));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
});

async function serve(): Promise<ChildProcess> {
  const env = {
    TALLYMAN_ROOTS: folder,
    ...(process.env['TALLYMAN_NATS_SERVER'] ? { TALLYMAN_NATS_SERVER: process.env['TALLYMAN_NATS_SERVER'] } : {}),
  };
  const child = spawn(process.execPath, [MAIN, 'serve', '--http-port', '0'], {
    env: cliEnv({ dataDir, env }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await expect.poll(() => said, { timeout: 20_000 }).toContain('Tallyman runs.');
  return child;
}

test('copy goes on through kill -9 of the service and its return at other addresses', { timeout: 90_000 }, async () => {
  const service = await serve();
  const { child, result } = startCli(['copy', '--bwlimit', '500k', 'src/', 'dst'], { dataDir, cwd: folder });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await expect.poll(() => said).toMatch(/transferring: [1-9]/);
  service.kill('SIGKILL');
  await once(service, 'exit');
  await serve();
  const { code, stderr } = await result;
  expect(code).toBe(EXIT_CODES.ok.code);
  expect(stderr).toContain('The service is back.');
  expect((await readFile(path.join(folder, 'dst/film.bin'))).length).toBe(BYTES);
});

test('without a gateway copy looks once a second, to the same end', async () => {
  const service = await startTestService({ worker: true, gateway: false });
  try {
    const announced = await announce(service);
    const { code, stdout } = await runCli(['copy', '--bwlimit', '2M', 'src/', 'dst'], { dataDir: announced, cwd: folder });
    expect({ code, stdout }).toMatchObject({ code: EXIT_CODES.ok.code, stdout: expect.stringContaining('4.00 MB') as string });
    expect((await runCli(['doctor'], { dataDir: announced })).stdout).toMatch(/^warning +watching/m);
  } finally {
    await service.stop();
  }
});

test('a service that has gone is one line and code 6', async () => {
  const service = await startTestService();
  const announced = await announce(service);
  const elsewhere = path.join(folder, 'left');
  await mkdir(elsewhere);
  await writeFile(path.join(elsewhere, 'connection.json'), await readFile(path.join(announced, 'connection.json')));
  await service.stop();
  const { code, stdout, stderr } = await runCli(['list'], { dataDir: elsewhere });
  expect({ code, stdout }).toEqual({ code: EXIT_CODES.unavailable.code, stdout: '' });
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect((await runCli(['doctor'], { dataDir: elsewhere })).code).toBe(EXIT_CODES.failed.code);
});
