import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Deletion, Job } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { isRemote } from '../../actors/paths.js';
import type { AttemptId } from '../../actors/worker.js';
import type { Answers } from '../answers.js';
import { bytesOf, type FileRecord } from '../file-record.js';
import type { JobClient } from '../job-client.js';

/** The job that deletes its source, and whose records are looked at. */
type PastJob = Pick<Job, 'id' | 'source' | 'destination' | 'deletion'>;
type PastClient = Pick<JobClient, 'ask'>;

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const NOTHING: Deletion = { filesDeleted: 0, bytesDeleted: 0, foldersDeleted: 0, filesKept: 0, kept: [] };

/**
 * What the attempts up to this one deleted that nobody has counted yet: those
 * that were killed, or whose lease passed. Each had stored what it was about to
 * delete; of that, what it told of or what is gone now was deleted.
 */
export async function uncounted(client: PastClient, job: PastJob, upToAttempt: number): Promise<Deletion> {
  const announced = new Map<string, FileRecord>();
  const told = new Set<string>();
  for (let attempt = (job.deletion?.upToAttempt ?? 0) + 1; attempt <= upToAttempt; attempt++) {
    for await (const record of recordsOf(client, job.id, attempt)) {
      const name = bytesOf(record).toString('latin1');
      if (record.outcome === 'deleting') announced.set(name, record);
      else told.add(name);
    }
  }
  const sum = { ...NOTHING, upToAttempt };
  for (const [name, { bytes }] of announced) {
    if (!told.has(name) && !(await isGone(job, name))) continue;
    if (name.endsWith('/')) sum.foldersDeleted++;
    else sum.filesDeleted++;
    sum.bytesDeleted += bytes ?? 0;
  }
  return sum;
}

/** The same of an attempt of which nothing is known but its number, and of those before it; null when nothing was to be deleted, or it cannot be looked up. */
export async function leftBehind(client: Pick<JobClient, 'ask' | 'get'>, { id, attempt }: AttemptId): Promise<Deletion | null> {
  const job = await client.get(id).catch(() => null);
  if (!job || !('deleteSource' in job.options) || job.options.deleteSource.mode === 'never') return null;
  return uncounted(client, job, attempt).catch(() => null);
}

/** Whether an earlier attempt of this job has proved the single file that is its source, was about to delete it, and its copy is there as it was proved. */
export async function isMoved(client: PastClient, job: PastJob, attempt: number, isCopy: IsCopy = isCopyHere): Promise<boolean> {
  const { id, source, destination } = job;
  if (source === null || destination === null || source.endsWith('/')) return false;
  const name = path.basename(source);
  for (let earlier = attempt - 1; earlier > 0; earlier--) {
    for await (const { outcome, path: told, checksum } of recordsOf(client, id, earlier)) {
      if (outcome === 'deleting' && told === name && checksum !== null) return isCopy(destination, name, checksum);
    }
  }
  return false;
}

async function* recordsOf(client: PastClient, id: string, attempt: number): AsyncGenerator<FileRecord> {
  for (let after: number | null = 0; after !== null;) {
    const page: Answers['files'] = await client.ask('files', {
      id,
      attempt,
      outcome: ['deleting', 'deleted'],
      after,
      limit: LIMITS.filesPerAnswer,
    });
    yield* page.files;
    after = page.next;
  }
}

async function isGone({ source }: PastJob, name: string): Promise<boolean> {
  if (source === null || isRemote(source)) return false;
  const folder = /\/\.?$/.test(source) ? source : path.dirname(source);
  const file = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name.replace(/\/$/, ''), 'latin1')]);
  return lstat(file).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT',
  );
}

/** Whether the copy that a file of this name has at the destination has this checksum. */
export type IsCopy = (destination: string, name: string, checksum: string) => Promise<boolean>;

async function isCopyHere(destination: string, name: string, checksum: string): Promise<boolean> {
  const isFolder = destination.endsWith('/') || ((await stat(destination).catch(() => null))?.isDirectory() ?? false);
  const hash = createHash('sha256');
  try {
    const file = await open(isFolder ? path.join(destination, name) : destination, FLAGS);
    for await (const chunk of file.createReadStream()) hash.update(chunk as Buffer);
    return checksum === `sha256:${hash.digest('hex')}`;
  } catch {
    return false;
  }
}
