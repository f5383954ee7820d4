import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { writePrivateFile } from '../private-file.js';

const PREFIX = 'whsec_';

/** As Standard Webhooks describes: over id, time in seconds, and body. */
export function signatureOf(key: Buffer, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** The key in the secret of the settings, or in the one that was made at the first start: `<data>/webhook-secret` (mode 0600). */
export async function signingKey(dataDir: string, secret: string | null): Promise<Buffer> {
  return Buffer.from((secret ?? (await ownSecret(dataDir))).slice(PREFIX.length), 'base64');
}

async function ownSecret(dataDir: string): Promise<string> {
  const file = path.join(dataDir, 'webhook-secret');
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (kept.startsWith(PREFIX)) return kept;
  const made = `${PREFIX}${randomBytes(32).toString('base64')}`;
  await writePrivateFile(file, `${made}\n`);
  return made;
}
