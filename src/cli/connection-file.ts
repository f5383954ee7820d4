import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { JobError } from '../../actors/errors.js';

const connectionSchema = z.object({
  pid: z.number().int(),
  http: z.object({ url: z.string(), token: z.string() }),
  nats: z.object({ url: z.string(), user: z.string(), password: z.string() }),
});

/** Where a running service is, as it wrote it into `<data>/connection.json`. */
export type Connection = z.infer<typeof connectionSchema>;

/** Throws `unavailable` when no service left word there, `forbidden` when it is another user's. */
export async function readConnection(dataDir: string): Promise<Connection> {
  const file = path.join(dataDir, 'connection.json');
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
