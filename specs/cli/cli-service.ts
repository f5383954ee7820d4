import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { announce, runCli, type CliOptions, type CliResult } from './cli.js';

const MB = 1_000_000;
export const EVIL = 'evil\u001b[31m\u009b2J\u202ename\n.txt';

/** A service with a worker, and the program as it is run beside it, in a folder with photos. */
export interface CliService {
  service: TestService;
  options: CliOptions;
  run(...args: string[]): Promise<CliResult>;
  json<T>(...args: string[]): Promise<T>;
  pendingJob(type?: string): Promise<string>;
}

/** One for all specs of a file. */
export function useCliService(): CliService {
  const run = (...args: string[]) => runCli(args, cli.options);
  const cli = {
    run,
    json: async <T>(...args: string[]) => JSON.parse((await run(...args, '--json')).stdout) as T,
    pendingJob: async (type = 'report') => (await run('create', '--type', type, '--pending')).stdout.trim(),
  } as CliService;
  beforeAll(async () => {
    const service = await startTestService({ worker: true, settings: { TALLYMAN_ROOTS: tmpdir() } });
    await mkdir(path.join(service.files, 'photos/raw'), { recursive: true });
    await writeFile(path.join(service.files, 'photos/a.jpg'), Buffer.alloc(3 * MB, 'a'));
    await writeFile(path.join(service.files, 'photos/raw', EVIL), 'b');
    Object.assign(cli, { service, options: { dataDir: await announce(service), cwd: service.files } });
  });
  afterAll(() => cli.service.stop());
  return cli;
}
