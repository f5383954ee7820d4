import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { JobError } from '../actors/errors.js';
import { writePrivateFile } from './private-file.js';

const connectionSchema = z.object({
  pid: z.number().int(),
  http: z.object({ url: z.string(), token: z.string() }),
  nats: z.object({ url: z.string(), user: z.string(), password: z.string() }),
});

/** Where a running service is, as it wrote it into `<data>/connection.json`. */
export type Connection = z.infer<typeof connectionSchema>;

/** Throws `unavailable` when no service left word there, `forbidden` when it is another user's. */
export async function readConnection(dataDir: string): Promise<Connection> {
  const file = fileIn(dataDir);
  try {
    return connectionSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new JobError(
        'unavailable',
        `No service runs with the data folder ${dataDir}: start it with "npm start" or "tallyman serve", or name its folder with --data.`,
        { dataDir },
        { cause },
      );
    }
    if (code === 'EACCES' || code === 'EPERM') {
      throw new JobError('forbidden', `${file} is not readable for this user: run as the user who runs the service.`, {}, { cause });
    }
    throw new JobError('unavailable', `${file} is not whole: start the service again with "npm start".`, {}, { cause });
  }
}

/** Leaves word of this service; answers what takes it away again. */
export async function writeConnection(dataDir: string, connection: Connection): Promise<() => Promise<void>> {
  const file = fileIn(dataDir);
  await writePrivateFile(file, `${JSON.stringify(connection, null, 2)}\n`);
  return () => rm(file, { force: true });
}

const fileIn = (dataDir: string) => path.join(dataDir, 'connection.json');
