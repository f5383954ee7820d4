import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataDir } from '../src/data-lock.js';
import { identityOf } from '../src/process-identity.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const heldBy = (pid: number, identity: string | null) => writeFile(path.join(dir, 'lock.7'), JSON.stringify({ pid, identity }));

test('a second service on the same folder is refused, and told which process has it', async () => {
  await lockDataDir(dir);
  await expect(lockDataDir(dir)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(`process ${process.pid}`) as string,
  });
});

test('a folder that was given back can be taken again, and again', async () => {
  for (let round = 0; round < 3; round++) await (await lockDataDir(dir))();
  await lockDataDir(dir);
  expect(await readdir(dir)).toEqual(['lock.4']);
});

test('the lock of a killed process is taken over', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const pid = Number(child.pid);
  await heldBy(pid, await identityOf(pid));
  await expect(lockDataDir(dir)).rejects.toThrow(`process ${pid}`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await lockDataDir(dir);
});

test('another process that now has the id of the killed one does not hold the lock', async () => {
  await heldBy(process.pid, 'an earlier boot/1');
  await lockDataDir(dir);
});

test('a damaged lock does not keep anybody out', async () => {
  await writeFile(path.join(dir, 'lock.7'), '{"pid":');
  await lockDataDir(dir);
});

test('of many that find the same stale lock, one gets it', async () => {
  for (let round = 0; round < 20; round++) {
    await rm(dir, { recursive: true, force: true });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockDataDir(dir)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  }
});
