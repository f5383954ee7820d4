import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { JobError } from '../actors/errors.js';
import { identityOf, isSame } from './process-identity.js';

interface Holder {
  pid: number;
  identity: string | null;
}

const LOCK_FILE = /^lock\.(\d+)$/;

/**
 * Takes the data folder (made with mode 0700 if need be) for this process, so
 * that no second service works in it. Answers what gives it back. Fails with
 * `unavailable` naming the process that has it; a lock whose process is gone is taken over.
 *
 * The holder is the one of the file `lock.<n>` with the highest number. Taking
 * over is making the next number, which only one process can, so that two that
 * find the same stale lock can not both win.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const mine = path.join(dataDir, `lock.new.${randomUUID()}`);
  await writeFile(mine, JSON.stringify({ pid: process.pid, identity: await identityOf(process.pid) } satisfies Holder), { mode: 0o600 });
  try {
    const number = await takeNext(dataDir, mine);
    const file = lockFile(dataDir, number);
    return () => writeFile(file, JSON.stringify({ pid: 0, identity: null } satisfies Holder));
  } finally {
    await rm(mine, { force: true });
  }
}

async function takeNext(dataDir: string, mine: string): Promise<number> {
  for (;;) {
    const last = await lastNumber(dataDir);
    const holder = await holderOf(lockFile(dataDir, last));
    if (holder?.identity && (await isSame(holder.pid, holder.identity))) throw inUse(dataDir, holder.pid);
    const next = last + 1;
    if (!(await linkIfNew(mine, lockFile(dataDir, next)))) continue;
    // Someone quicker may have gone past this number and cleared it away meanwhile.
    if ((await lastNumber(dataDir)) > next) {
      await rm(lockFile(dataDir, next), { force: true });
      continue;
    }
    await removeBelow(dataDir, next);
    return next;
  }
}

const lockFile = (dataDir: string, number: number) => path.join(dataDir, `lock.${number}`);

async function numbers(dataDir: string): Promise<number[]> {
  return (await readdir(dataDir)).flatMap((name) => LOCK_FILE.exec(name)?.[1] ?? []).map(Number);
}

async function lastNumber(dataDir: string): Promise<number> {
  return Math.max(0, ...(await numbers(dataDir)));
}

async function removeBelow(dataDir: string, number: number): Promise<void> {
  for (const old of await numbers(dataDir)) if (old < number) await rm(lockFile(dataDir, old), { force: true });
}

async function holderOf(file: string): Promise<Holder | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder;
  } catch {
    return null;
  }
}

async function linkIfNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

const inUse = (dataDir: string, pid: number) =>
  new JobError(
    'unavailable',
    `The data folder ${dataDir} is in use by the process ${pid}: stop that one, or set TALLYMAN_DATA to another folder.`,
    { pid },
  );
