import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { useRsyncWithoutRoot } from '../engines/bench.js';
import { useDashboard } from './board.js';

const spec = useDashboard();

async function copied(name: string, files: Record<string, string>): Promise<string> {
  const source = path.join(spec.service.files, name, 'from');
  await mkdir(source, { recursive: true });
  for (const [file, content] of Object.entries(files)) await writeFile(path.join(source, file), content);
  const destination = path.join(spec.service.files, name, 'to/');
  const { id } = await spec.service.client.create({
    type: 'rsync',
    name,
    source: `${source}/`,
    destination,
    options: { verify: 'checksum' },
  });
  await expect.poll(async () => (await spec.service.client.get(id)).status, { timeout: 20_000 }).toBe('completed');
  await spec.board.row(name).getByRole('button', { name, exact: true }).click();
  return id;
}
const files = () => spec.board.page.locator('#files li').allInnerTexts();

describe('The files of a job', () => {
  it('are told with what became of each, by outcome, and can be downloaded', async () => {
    const { page } = spec.board;
    await copied('Told', { a: 'a', 'new\nline': 'b', '\u202egpj.exe': 'c' });
    await expect.poll(files).toContain('proved equal a 1 B · by checksum');
    expect(await files()).toContain('copied new\\nline 1 B');
    expect(await files()).toContain('copied \\u202egpj.exe 1 B');
    expect(await page.locator('#files-note').innerText()).toBe('Attempt 1: 3 copied, 3 proved equal');
    await page.getByLabel('Which files').selectOption('Copied');
    await expect.poll(async () => (await files()).length).toBe(3);
    await page.getByLabel('Which files').selectOption('Failed or different');
    await expect.poll(files).toEqual([]);
    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download as CSV' }).click();
    expect((await downloading).suggestedFilename()).toMatch(/\.csv$/);
  });

  it('come a page at a time', async () => {
    const { page } = spec.board;
    await copied('Paged', Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`f${index}`, ''])));
    await expect.poll(async () => (await files()).length).toBe(200);
    await page.getByRole('button', { name: 'Show more files' }).click();
    await expect.poll(async () => (await files()).length).toBe(300);
    expect(await page.getByRole('button', { name: 'Show more files' }).count()).toBe(0);
  });

  it('are no matter of other jobs', async () => {
    const { page } = spec.board;
    await spec.service.client.create({ type: 'probe', name: 'Other', start: false });
    await spec.board.row('Other').getByRole('button', { name: 'Other', exact: true }).click();
    await page.getByRole('heading', { name: 'History' }).waitFor();
    expect(await page.getByRole('heading', { name: 'Files' }).count()).toBe(0);
  });
});

describe('The panel of a finished job', () => {
  const command = (name: string) => spec.board.page.locator('#panel-actions').getByRole('button', { name });

  it('verifies it again, and runs it again after a question, each as a job that opens', async () => {
    const { page } = spec.board;
    await copied('Again', { a: 'a' });
    await command('Verify Again').click();
    const title = () => page.locator('#panel-name').innerText();
    await expect.poll(title).toBe('Verify Again');
    await expect.poll(() => spec.board.row('Verify Again').innerText(), { timeout: 20_000 }).toMatch(/Completed[^]*verified.by.content/);
    await command('Run again Verify Again').click();
    await page.getByRole('button', { name: 'Not now' }).click();
    expect((await spec.service.client.list({ text: 'Verify Again' })).total).toBe(1);
    await command('Run again Verify Again').click();
    await page.getByRole('button', { name: 'Run it again' }).click();
    await expect.poll(async () => (await spec.service.client.list({ text: 'Verify Again' })).total).toBe(2);
  });

  it('retries just the files that failed', async () => {
    await useRsyncWithoutRoot();
    const source = path.join(spec.service.files, 'p');
    await mkdir(source);
    for (const file of ['a', 'b']) await writeFile(path.join(source, file), file);
    await chmod(path.join(source, 'a'), 0);
    await spec.service.client.create({ type: 'rsync', name: 'Partly', source: `${source}/`, destination: `${spec.service.files}/q/` });
    await expect.poll(() => spec.board.row('Partly').innerText(), { timeout: 20_000 }).toContain('Failed');
    await spec.board.row('Partly').getByRole('button', { name: 'Partly', exact: true }).click();
    await spec.board.page.getByLabel('Which files').selectOption('Failed or different');
    await expect.poll(files).toEqual([expect.stringMatching(/^failed a .*Permission denied/)]);
    await chmod(path.join(source, 'a'), 0o644);
    await command('Retry the failed files').click();
    await expect.poll(() => spec.board.row('Partly').innerText(), { timeout: 20_000 }).toContain('Completed');
    await spec.board.page.getByLabel('Which files').selectOption('Copied');
    await expect.poll(files).toEqual(['copied a 1 B']);
  });
});
