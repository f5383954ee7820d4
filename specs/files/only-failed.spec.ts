import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Job, JobStatus } from '../../actors/job.js';
import type { Answers } from '../../src/answers.js';
import { bytesOf, type FileRecord } from '../../src/file-record.js';
import type { RequestBody } from '../../src/job-client.js';
import { connectNats } from '../../src/nats/connection.js';
import { ESCAPES, announce, runCli } from '../cli/cli.js';
import { useRsyncWithoutRoot } from '../engines/bench.js';
import { newFolder, writeOldFile } from '../engines/trees.js';
import { call } from '../http/http.js';
import { RpcClient } from '../http/rpc-client.js';
import { startTestService, type TestService } from '../support/service.js';

vi.setConfig({ testTimeout: 60_000 });

const HOSTILE = ['new\nline', 'esc\u001b[2J', '\u202ebidi', '#x', '-z', 'x'.repeat(255)]
  .map((name) => Buffer.from(name))
  .concat(Buffer.from([0x66, 0xff, 0xfe]));
const names = (list: Buffer[]) => list.map((name) => name.toString('latin1')).sort();

let service: TestService;
let folder: string;
beforeAll(async () => {
  service = await startTestService({ worker: true });
});
afterAll(() => service.stop());
beforeEach(async () => {
  folder = await newFolder();
  await useRsyncWithoutRoot();
});

const at = (name: string) => path.join(folder, name);
const raw = (name: Buffer) => Buffer.concat([Buffer.from(`${at('source')}/`), name]);
const reaches = async (id: string, status: JobStatus): Promise<Job> => {
  await expect.poll(async () => (await service.client.get(id)).status, { timeout: 30_000 }).toBe(status);
  return service.client.get(id);
};
const filesOf = async (id: string, query: Partial<RequestBody<'files'>> = {}): Promise<FileRecord[]> => {
  const found: FileRecord[] = [];
  for (let after: number | null = 0; after !== null;) {
    const page: Answers['files'] = await service.client.ask('files', { id, limit: 3, ...query, after });
    found.push(...page.files);
    after = page.next;
  }
  return found;
};
const pathsOf = async (id: string, query: Partial<RequestBody<'files'>>) => names((await filesOf(id, query)).map(bytesOf));

/** A job of which all hostile files and one folder cannot be read. */
async function failedJob(body: Partial<RequestBody<'create'>> = {}): Promise<Job> {
  await mkdir(at('source'));
  for (const name of HOSTILE) {
    await writeFile(raw(name), 'secret');
    await chmod(raw(name), 0);
  }
  await writeOldFile(at('source/fine'), 'first');
  await writeOldFile(at('source/closed/within'), 'x');
  await chmod(at('source/closed'), 0);
  const source = at('source/');
  const { id } = await service.client.create({ type: 'rsync', source, destination: at('copy/'), ...body } as RequestBody<'create'>);
  return reaches(id, 'failed');
}
const open = async () => {
  for (const name of HOSTILE) await chmod(raw(name), 0o644);
  await chmod(at('source/closed'), 0o755);
};

describe('a job whose files failed', () => {
  it('tells which and why, takes exactly those at a retry, also after a restart, and is completed then', async () => {
    const job = await failedJob({ options: { verify: 'checksum' } });
    const { id } = job;
    const failed = names([...HOSTILE, Buffer.from('closed')]);
    expect(job.error).toMatchObject({
      code: 'permission_denied',
      filesFailed: failed.length,
      message: expect.stringContaining(`${failed.length} files failed`) as unknown,
    });
    expect(job.error?.advice).toContain(`tallyman retry ${id} --only-failed`);
    expect(await pathsOf(id, { outcome: ['failed'] })).toEqual(failed);
    expect(await pathsOf(id, { outcome: ['transferred'] })).toEqual(['fine']);
    for (const { why } of await filesOf(id, { outcome: ['failed'] })) expect(why).toContain('Permission denied (13)');
    const { counts } = await service.client.ask('files', { id });
    expect(counts).toEqual({ failed: failed.length, transferred: 1 });

    await open();
    await writeFile(at('source/fine'), 'changed since');
    await service.restartManager();
    const retried = (await service.client.ask('retry', { id, onlyFailed: true })) as Job;
    expect(retried.onlyFailed).toEqual({ attempt: 1, files: failed.length });
    // The whole is verified all the same: what changed since is found.
    await expect.poll(async () => (await service.client.get(id)).attempt).toBe(2);
    const second = await reaches(id, 'failed');
    expect(second.error?.code).toBe('verification_failed');
    expect(second.error?.advice).toContain(`tallyman files ${id} --outcome differs,missing`);
    expect(await pathsOf(id, { outcome: ['transferred'] })).toEqual(names([...HOSTILE, Buffer.from('closed/within')]));
    expect(await pathsOf(id, { outcome: ['differs', 'missing'] })).toEqual(['fine']);
    expect(await readFile(at('copy/fine'), 'utf8')).toBe('first');
    await expect(service.client.ask('retry', { id, onlyFailed: true })).rejects.toMatchObject({ code: 'illegal_transition' });
    await service.client.command('retry', id);
    expect(await reaches(id, 'completed')).toMatchObject({ attempt: 3, onlyFailed: null, error: null });
    const notes = (await service.client.history(id)).map(({ note }) => note);
    expect(notes).toContain(`only the ${failed.length} files that failed in attempt 1`);
    expect((await service.client.get(id)).verification).toMatchObject({ filesEqual: HOSTILE.length + 2, mismatches: 0 });
    expect(await pathsOf(id, { outcome: ['equal'] })).toEqual(names([...HOSTILE, Buffer.from('closed/within'), Buffer.from('fine')]));
    expect(await pathsOf(id, { attempt: 1, outcome: ['failed'] })).toEqual(failed);
  });

  it('is completed by a retry of just those when nothing is verified, and other files are not looked at', async () => {
    const { id } = await failedJob();
    await open();
    await writeOldFile(at('source/new'), 'came later');
    await service.client.ask('retry', { id, onlyFailed: true });
    const job = await reaches(id, 'completed');
    expect(job.progress).toMatchObject({ filesTransferred: HOSTILE.length + 1, filesTotal: HOSTILE.length + 1 });
    expect(names((await readdir(Buffer.from(at('copy')), { encoding: 'buffer' })) as Buffer[])).toEqual(
      names([...HOSTILE, Buffer.from('closed'), Buffer.from('fine')]),
    );
  });

  it('takes the whole again after other options, or when the list is not whole any more', async () => {
    const { id } = await failedJob();
    const stream = `${service.config.prefix}_FILES`;
    await call(service, `/v1/jobs/${id}/retry`, { method: 'POST', body: { onlyFailed: true } });
    await expect.poll(async () => (await service.client.get(id)).attempt).toBe(2);
    const again = await reaches(id, 'failed');
    expect(again.error?.filesFailed).toBe(HOSTILE.length + 1);
    const owner = await connectNats(service.nats.logins.logs, 'logs');
    await (await owner.jetstreamManager({ checkAPI: false })).streams.purge(stream, { filter: `tallyman.files.${id}.>` });
    await owner.close();
    await service.client.ask('retry', { id, onlyFailed: true });
    await expect.poll(async () => (await service.client.get(id)).error?.code, { timeout: 30_000 }).toBe('failed_files_unknown');
    await expect(service.client.ask('retry', { id, onlyFailed: true })).rejects.toMatchObject({ code: 'illegal_transition' });
    await call(service, `/v1/jobs/${id}/retry`, { method: 'POST', body: {} });
    await expect.poll(async () => (await service.client.get(id)).error?.filesFailed, { timeout: 30_000 }).toBe(HOSTILE.length + 1);
    await service.client.ask('update', { id, options: { excludes: ['#x'] } });
    await expect(service.client.ask('retry', { id, onlyFailed: true })).rejects.toThrow('Retry the whole job');
  });

  it('tells them over HTTP, WebSocket and the command line, and nothing that a terminal would obey', async () => {
    const { id } = await failedJob();
    const get = (query: string) => call(service, `/v1/jobs/${id}/files?${query}`);
    const page = (await get('outcome=failed,skipped&limit=2')).json() as Answers['files'];
    expect(page.files).toHaveLength(2);
    const rest = (await get(`outcome=failed,skipped&after=${page.next}`)).json() as Answers['files'];
    expect(names([...page.files, ...rest.files].map(bytesOf))).toEqual(names([...HOSTILE, Buffer.from('closed')]));
    const text = await get('format=text&download=true');
    expect(text.headers['content-disposition']).toBe(`attachment; filename="${id}-files.txt"`);
    expect(text.text.trimEnd().split('\n')).toHaveLength(HOSTILE.length + 2);
    expect(text.text).not.toMatch(ESCAPES);
    const lines = (await get('format=jsonl&outcome=failed')).text.trimEnd().split('\n').map((line) => JSON.parse(line) as FileRecord); // prettier-ignore
    expect(names(lines.map(bytesOf))).toEqual(names([...HOSTILE, Buffer.from('closed')]));
    const csv = await get('format=csv&outcome=failed&download=true');
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(csv.headers['content-disposition']).toBe(`attachment; filename="${id}-files.csv"`);
    expect(csv.text.split('\r\n').slice(0, -1)).toHaveLength(1 + HOSTILE.length + 1);
    expect(csv.text).toMatch(/^outcome,path,bytes,provedBy,checksum,why,attempt,at\r\n/);
    expect(csv.text.replaceAll('\r\n', '\n')).not.toMatch(ESCAPES);
    expect((await get('outcome=broken')).status).toBe(400);
    expect((await call(service, '/v1/jobs/nothing/files')).status).toBe(404);
    const rpc = await RpcClient.open(service);
    expect((await rpc.call('jobs.files', { id, outcome: ['failed'], limit: 2 })).result).toMatchObject({ attempt: 1, files: [{}, {}] });
    rpc.ws.close();
    const dataDir = await announce(service);
    const printed = await runCli(['files', '--failed', id], { dataDir });
    expect(printed.stdout.trimEnd().split('\n')).toHaveLength(HOSTILE.length + 1);
    expect(printed.stdout).not.toMatch(ESCAPES);
    const json = await runCli(['files', '--failed', '--json', id], { dataDir });
    expect(
      names(
        json.stdout
          .trimEnd()
          .split('\n')
          .map((line) => bytesOf(JSON.parse(line) as FileRecord)),
      ),
    ).toEqual(names([...HOSTILE, Buffer.from('closed')]));
    await open();
    const retried = await runCli(['retry', '--only-failed', id, '--json'], { dataDir });
    expect(JSON.parse(retried.stdout)).toMatchObject({ results: [{ job: { onlyFailed: { attempt: 1 } } }] });
    await reaches(id, 'completed');
    await service.client.ask('delete', { id });
    await expect.poll(async () => await filesCount(id)).toBe(0);
  });
});

async function filesCount(id: string): Promise<number> {
  const owner = await connectNats(service.nats.logins.logs, 'logs');
  const jsm = await owner.jetstreamManager({ checkAPI: false });
  const { state } = await jsm.streams.info('tallyman_FILES', { subjects_filter: `tallyman.files.${id}.>` });
  await owner.close();
  return Object.keys(state.subjects ?? {}).length;
}
