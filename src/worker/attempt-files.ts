import { readFile, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { writePrivateFile } from '../private-file.js';
import { identityOf, isSame } from '../process-identity.js';

const recordSchema = z.object({
  id: z.string(),
  attempt: z.number().int(),
  owner: z.string().describe('marker of the children: the data folder'),
  host: z.string(),
  pid: z.number().int(),
  identity: z.string().nullable().describe('tells the worker from a later process with its pid'),
  startedAt: z.string(),
});

/** What stands in the file of a running attempt. */
export type AttemptRecord = z.infer<typeof recordSchema>;

/**
 * The attempts that run here, a file each in `<data>/worker/attempts`, written
 * before the first child starts and removed after the last one ended. A worker
 * that starts finds in them what an earlier one could not give back.
 */
export class AttemptFiles {
  readonly #dir: string;
  readonly #owner: string;
  #identity: Promise<string | null> | null = null;

  constructor(dir: string, owner: string) {
    this.#dir = dir;
    this.#owner = owner;
  }

  async write(id: string, attempt: number): Promise<void> {
    const record: AttemptRecord = {
      id,
      attempt,
      owner: this.#owner,
      host: hostname(),
      pid: process.pid,
      identity: await (this.#identity ??= identityOf(process.pid)),
      startedAt: new Date().toISOString(),
    };
    await writePrivateFile(this.#file(id, attempt), JSON.stringify(record));
  }

  async remove(id: string, attempt: number): Promise<void> {
    await rm(this.#file(id, attempt), { force: true });
  }

  /** The attempts of workers of this host that run no more. A file that is no whole record is removed: it was never in force. */
  async leftovers(): Promise<AttemptRecord[]> {
    const names = await readdir(this.#dir).catch(() => []);
    const records = await Promise.all(names.map((name) => this.#read(path.join(this.#dir, name))));
    const living = await Promise.all(records.map(isAlive));
    return records.filter((record, index): record is AttemptRecord => record !== null && record.host === hostname() && !living[index]);
  }

  async #read(file: string): Promise<AttemptRecord | null> {
    try {
      return recordSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    } catch {
      await rm(file, { force: true });
      return null;
    }
  }

  // One file an attempt and not a job: the end of a lost attempt must not remove the record of the next.
  #file(id: string, attempt: number): string {
    return path.join(this.#dir, `${id}.${attempt}.json`);
  }
}

const isAlive = async (record: AttemptRecord | null): Promise<boolean> => !!record?.identity && (await isSame(record.pid, record.identity));
