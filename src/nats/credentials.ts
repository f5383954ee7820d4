import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { JobError } from '../../actors/errors.js';
import { writePrivateFile } from '../private-file.js';
import { INBOX_PREFIX, type Role } from '../subjects.js';

const login = z.object({ user: z.string(), password: z.string().regex(/^[A-Za-z][A-Za-z0-9]{31,}$/) });
const ROLES = Object.keys(INBOX_PREFIX) as Role[];
const credentialsSchema = z.partialRecord(z.enum(ROLES), login);

/** User and password of every role, at the nats-server that Tallyman starts. */
export type Credentials = Record<Role, z.infer<typeof login>>;

/** The passwords kept in `<data>/credentials.json` (mode 0600); `null` when there are none yet. Damaged ones are `storage_failed`. */
export async function readCredentials(dataDir: string): Promise<Partial<Credentials> | null> {
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

/** Those passwords; the ones that are missing, all of them the first time, are made at random. */
export async function makeCredentials(dataDir: string): Promise<Credentials> {
  const kept = (await readCredentials(dataDir)) ?? {};
  const made = Object.fromEntries(ROLES.map((role) => [role, kept[role] ?? newLogin(role)])) as Credentials;
  if (ROLES.some((role) => !kept[role])) await writePrivateFile(fileIn(dataDir), `${JSON.stringify(made, null, 2)}\n`);
  return made;
}

// A letter first: nats.conf would take a value of digits for a number.
const newLogin = (user: string) => ({ user, password: `p${randomBytes(32).toString('hex')}` });

const fileIn = (dataDir: string) => path.join(dataDir, 'credentials.json');
