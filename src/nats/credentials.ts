import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { JobError } from '../../actors/errors.js';
import { writePrivateFile } from '../private-file.js';

const login = z.object({ user: z.string(), password: z.string().regex(/^[A-Za-z][A-Za-z0-9]{31,}$/) });
const credentialsSchema = z.object({ manager: login, journal: login, logs: login, gateway: login, worker: login, client: login });

/** User and password of every role, at the nats-server that Tallyman starts. */
export type Credentials = z.infer<typeof credentialsSchema>;

/** The passwords kept in `<data>/credentials.json` (mode 0600); `null` when there are none yet. Damaged ones are `storage_failed`. */
export async function readCredentials(dataDir: string): Promise<Credentials | null> {
  const file = fileIn(dataDir);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new JobError('storage_failed', `The passwords in ${file} cannot be read: ${(error as Error).message}.`, {}, { cause: error });
  }
  try {
    return credentialsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new JobError(
      'storage_failed',
      `The file ${file} is damaged. Delete it: new passwords are made at the next start.`,
      {},
      { cause },
    );
  }
}

/** Those passwords, made at random the first time. */
export async function makeCredentials(dataDir: string): Promise<Credentials> {
  const kept = await readCredentials(dataDir);
  if (kept) return kept;
  const made: Credentials = {
    manager: newLogin('manager'),
    journal: newLogin('journal'),
    logs: newLogin('logs'),
    gateway: newLogin('gateway'),
    worker: newLogin('worker'),
    client: newLogin('client'),
  };
  await writePrivateFile(fileIn(dataDir), `${JSON.stringify(made, null, 2)}\n`);
  return made;
}

// A letter first: nats.conf would take a value of digits for a number.
const newLogin = (user: string) => ({ user, password: `p${randomBytes(32).toString('hex')}` });

const fileIn = (dataDir: string) => path.join(dataDir, 'credentials.json');
