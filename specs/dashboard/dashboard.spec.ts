import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { TestService } from '../support/service.js';
import { useDashboard } from './board.js';

const WORKER = 'spec/1';

describe('The dashboard', () => {
  const here = useDashboard();
  afterEach(() => deleteAllJobs(here.service));

  const own = (name: string, fields: object = {}): Promise<Job> => here.service.client.create({ type: 'probe', name, ...fields });
  const claim = async (): Promise<Job> => {
    const { job } = await here.service.client.ask('claim', { worker: WORKER, types: ['probe'], waitMs: 5000 });
    if (!job) throw new Error('no job came');
    return job;
  };
  const textOf = (name: string): Promise<string> => here.board.row(name).innerText();
  const statusOf = async (id: string): Promise<string> => (await here.service.client.get(id)).status;

  it('leaves no token in the address', async () => {
    await expect.poll(() => here.board.connection.innerText()).toBe('Live');
    expect(here.board.page.url()).toBe(`${here.service.url}/`);
  });

  it('goes on through a restart of the manager', async () => {
    const { id } = await own('while away', { start: false });
    await here.board.row('while away').waitFor();
    await here.service.restartManager();
    await here.service.client.ask('update', { id, name: 'came back' });
    await here.board.row('came back').waitFor();
  });

  it('says what to do first while there are no jobs', async () => {
    await here.board.page.getByRole('heading', { name: 'No jobs yet' }).waitFor();
    expect(await here.board.page.locator('#empty').innerText()).toContain('npx tallyman copy');
  });

  it('shows a job as it goes on, without a reload, and its last state right', async () => {
    await here.board.page.evaluate('window.sameDocument = true');
    await own('Alpha');
    await expect.poll(() => textOf('Alpha')).toContain('Queued');
    const job = await claim();
    await expect.poll(() => textOf('Alpha')).toContain('Running');
    await here.service.client.ask('heartbeat', {
      id: job.id,
      attempt: job.attempt,
      progress: {
        percent: 40,
        bytesTransferred: 2_000_000,
        bytesTotal: 5_000_000,
        bytesPerSecond: 1_000_000,
        etaSeconds: 3,
        currentFile: 'a/b.bin',
      },
    });
    const bar = here.board.row('Alpha').getByRole('progressbar');
    await expect.poll(() => bar.getAttribute('value')).toBe('40');
    const shown = (await textOf('Alpha')).replaceAll('\u00a0', ' ');
    for (const figure of ['40 %', '2.00 MB of 5.00 MB', '1.00 MB/s', '3 s left', 'a/b.bin']) expect(shown).toContain(figure);
    await here.service.client.ask('fail', {
      id: job.id,
      attempt: job.attempt,
      error: { code: 'broken', message: 'It broke.', retriable: false, advice: 'Mend it.' },
    });
    await expect.poll(() => textOf('Alpha')).toMatch(/Failed[^]*It broke\.[^]*Mend it\./);
    expect(await bar.isVisible()).toBe(false);
    await here.service.client.ask('delete', { id: job.id });
    await expect.poll(() => here.board.row('Alpha').count()).toBe(0);
    expect(await here.board.page.evaluate('window.sameDocument')).toBe(true);
  });

  it('tells what a job deleted in its source, and what it kept there', async () => {
    await own('Moved');
    const { id, attempt } = await claim();
    const why = 'it changed after it was proved';
    const deletion = { filesDeleted: 3, bytesDeleted: 30, foldersDeleted: 1, filesKept: 1, kept: [{ why, files: 1 }] };
    await here.service.client.ask('complete', { id, attempt, deletion });
    await expect.poll(async () => (await textOf('Moved')).replaceAll('\u00a0', ' ')).toContain('3 files deleted in the source');
    await here.board.row('Moved').getByRole('button', { name: 'Moved' }).first().click();
    await here.board.page.getByText(`1: ${why}`).waitFor();
  });

  it('says that a job that stopped by an error waits for a person', async () => {
    await own('Asks');
    const { id, attempt } = await claim();
    await here.service.client.command('pause', id);
    await here.service.client.ask('fail', { id, attempt, error: { code: 'lost', message: 'The worker is gone.', retriable: true } });
    await expect.poll(() => textOf('Asks')).toContain('waits for you');
  });

  it('makes a copy from its form and shows its log and history', async () => {
    const { page } = here.board;
    await mkdir(path.join(here.service.files, 'from'), { recursive: true });
    await writeFile(path.join(here.service.files, 'from', 'kept.txt'), 'kept');
    await writeFile(path.join(here.service.files, 'from', 'left.tmp'), 'left out');
    await page.getByRole('button', { name: 'New copy' }).click();
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    expect(await page.locator('#copy-error').innerText()).toContain('Fill in the source');
    await page.getByRole('textbox', { name: 'Source' }).fill(`${here.service.files}/from/`);
    await page.getByRole('textbox', { name: 'Destination' }).fill(`${here.service.files}/to/`);
    await page.getByText('More options').click();
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('By form');
    await page.getByLabel('Leave out').fill('*.tmp');
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await expect.poll(() => textOf('By form'), { timeout: 20_000 }).toMatch(/Completed[^]*verified.by.content/);
    expect(await readFile(path.join(here.service.files, 'to', 'kept.txt'), 'utf8')).toBe('kept');
    await expect(readFile(path.join(here.service.files, 'to', 'left.tmp'))).rejects.toThrow('ENOENT');
    const panel = page.getByRole('complementary');
    expect(await panel.getByRole('heading', { level: 2 }).innerText()).toBe('By form');
    await expect.poll(() => page.locator('#history').innerText()).toMatch(/complete[^]*claim[^]*create/);
    await panel.getByLabel('Level').selectOption('debug');
    await expect.poll(() => page.locator('#log li').count()).toBeGreaterThan(0);
  });

  it('says in the form why the service refuses a copy, and which field is wrong', async () => {
    const { page } = here.board;
    await page.getByRole('button', { name: 'New copy' }).click();
    await page.getByRole('textbox', { name: 'Source' }).fill('photos');
    await page.getByRole('textbox', { name: 'Destination' }).fill('/tmp/to');
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await expect.poll(() => page.locator('#copy-error').innerText()).toContain('absolute');
    await page.keyboard.press('Escape');
  });

  it('offers the legal commands only, and asks before it cancels or deletes', async () => {
    const { page } = here.board;
    const { id } = await own('Beta', { start: false });
    const press = (name: string) =>
      here.board
        .row('Beta')
        .getByRole('button', { name: `${name} Beta` })
        .click();
    const offered = async () => (await here.board.row('Beta').locator('.actions button:visible').allInnerTexts()).join(' ');
    await expect.poll(offered).toBe('Start Cancel Delete');
    await press('Start');
    await expect.poll(offered).toBe('Pause Cancel Delete');
    await press('Pause');
    await expect.poll(offered).toBe('Resume Cancel Delete');
    await press('Resume');
    await expect.poll(() => statusOf(id)).toBe('queued');
    await expect.poll(offered).toBe('Pause Cancel Delete');
    await press('Cancel');
    await page.getByRole('button', { name: 'Keep it' }).click();
    expect(await statusOf(id)).toBe('queued');
    await press('Cancel');
    await page.getByRole('button', { name: 'Cancel it' }).click();
    await expect.poll(offered).toBe('Retry Delete');
    await press('Retry');
    await expect.poll(() => statusOf(id)).toBe('queued');
    await press('Delete');
    await page.getByRole('button', { name: 'Delete it' }).click();
    await expect.poll(() => here.board.row('Beta').count()).toBe(0);
  });

  it('shows hostile text as text, with what cannot be seen written out', async () => {
    const name = '<img src=x onerror=alert(1)>';
    await own(name, { input: '</script><script>alert(2)</script>', labels: { a: '<b>bold</b>' } });
    await here.service.client.create({
      type: 'rsync',
      name: 'Path',
      source: '/tmp/\u202egpj.exe',
      destination: '/tmp/a\u001b[31m\nb',
      start: false,
    });
    await expect.poll(() => textOf('Path')).toContain('/tmp/\\u202egpj.exe → /tmp/a\\x1b[31m\\nb');
    await here.board.row(name).getByRole('button', { name, exact: true }).click();
    expect(await here.board.page.locator('#facts').innerText()).toContain('a=<b>bold</b>');
    expect(await here.board.page.locator('#panel-name').innerText()).toBe(name);
    expect(await here.board.page.locator('main img, main script, #rows b, #facts b').count()).toBe(0);
  });

  it('works by keyboard: the focus is visible, Enter opens a job, Esc closes it and gives the focus back', async () => {
    const { page } = here.board;
    await own('Gamma', { start: false });
    await here.board.row('Gamma').waitFor();
    const focused = () => page.locator(':focus').innerText();
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the jobs');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Gamma');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.keyboard.press('Enter');
    await page.getByRole('complementary').waitFor();
    expect(await page.locator(':focus').getAttribute('id')).toBe('panel');
    await page.keyboard.press('Escape');
    expect(await page.getByRole('complementary').count()).toBe(0);
    expect(await focused()).toBe('Gamma');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect.poll(() => textOf('Gamma')).toContain('Queued');
  });

  it('filters by status and text, and a reload keeps the filter', async () => {
    const { page } = here.board;
    await own('Delta one', { start: false });
    await own('Delta two');
    const names = () => page.locator('#rows .link:visible').allInnerTexts();
    await expect.poll(names).toEqual(['Delta two', 'Delta one']);
    await page.getByRole('radio', { name: /^Queued/ }).check();
    await expect.poll(names).toEqual(['Delta two']);
    await page.reload();
    await expect.poll(names).toEqual(['Delta two']);
    await page.getByRole('searchbox').first().fill('one');
    await page.getByRole('heading', { name: 'No job matches' }).waitFor();
    await page.getByRole('button', { name: 'Show all jobs' }).click();
    await expect.poll(names).toEqual(['Delta two', 'Delta one']);
  });

  it('stays usable with a thousand jobs: a part of the rows, the right counts, every change in sight', async () => {
    const { page } = here.board;
    for (let from = 0; from < 1000; from += 250) {
      await here.service.client.ask('create_many', {
        jobs: Array.from({ length: 250 }, (_, index) => ({ type: 'probe', name: `Many ${from + index}`, start: false })),
      });
    }
    await expect.poll(() => page.locator('#statuses label').first().innerText()).toBe('All 1,000');
    expect(await page.locator('#rows tr').count()).toBe(100);
    await page.getByRole('button', { name: 'Show more' }).click();
    await expect.poll(() => page.locator('#rows tr').count()).toBe(200);
    await page.evaluate("document.querySelector('#rows tr').dataset.spec = 'kept'");
    await here.board.row('Many 999').getByRole('button', { name: 'Start Many 999' }).click();
    await expect.poll(() => textOf('Many 999')).toContain('Queued');
    // Changed in place, not made anew.
    expect(await page.locator('#rows tr').first().getAttribute('data-spec')).toBe('kept');
    await page.getByRole('searchbox').first().fill('Many 7');
    await expect.poll(() => page.locator('#statuses label').first().innerText()).toBe('All 111');
  });

  it.each([
    ['a phone', 380],
    ['a small laptop', 1000],
  ])('has nothing out of reach to the side on %s', async (_, width) => {
    const { page } = here.board;
    await own('x'.repeat(200), { labels: { long: 'y'.repeat(256) } });
    await page.setViewportSize({ width, height: 700 });
    await page.locator('#rows .link').click();
    await page.getByRole('complementary').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
  });
});

/** Each rule begins with an empty list. */
async function deleteAllJobs({ client }: TestService): Promise<void> {
  for (;;) {
    const { jobs } = await client.list({ limit: 500 });
    if (jobs.length === 0) return;
    for (const job of jobs.filter(({ status }) => status === 'running')) {
      await client.ask('fail', { id: job.id, attempt: job.attempt, error: { code: 'over', message: 'The rule is over.' } });
    }
    await client.ask('delete', { ids: jobs.map(({ id }) => id) });
  }
}
