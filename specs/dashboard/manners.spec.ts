import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { legalEvents } from '../../actors/job-lifecycle.js';
import { JOB_STATUSES } from '../../actors/job.js';
import { useDashboard } from './board.js';

describe('The dashboard', () => {
  const here = useDashboard();

  const shelve = (name: string) => here.service.client.create({ type: 'probe', name, start: false });
  const announced = () => here.board.page.locator('#announcer').innerText();

  it('touches the row of a job that changed, and no other', async () => {
    const { page } = here.board;
    const { id } = await shelve('Changes');
    await shelve('Stays');
    await here.board.row('Stays').waitFor();
    await page.evaluate(`
      globalThis.touched = new Set();
      new MutationObserver((records) => {
        for (const { target } of records) touched.add((target.closest ? target : target.parentElement).closest('tr')?.dataset.id ?? 'the table');
      }).observe(document.querySelector('#rows'), { subtree: true, childList: true, characterData: true, attributes: true });
    `);
    await here.service.client.ask('update', { id, name: 'Changed' });
    await here.board.row('Changed').waitFor();
    expect(await page.evaluate('[...touched]')).toEqual([id]);
  });

  it('shows work whose measure is not known as work, not as a figure', async () => {
    const { id } = await here.service.client.create({ type: 'unmeasured', name: 'Unmeasured' });
    await here.service.client.ask('claim', { worker: 'spec/1', types: ['unmeasured'] });
    const bar = here.board.row('Unmeasured').getByRole('progressbar');
    await bar.waitFor();
    expect(await bar.getAttribute('value')).toBeNull();
    expect(await here.board.row('Unmeasured').innerText()).not.toContain('%');
    await here.service.client.ask('complete', { id, attempt: 1 });
  });

  it('leaves the keyboard on the job whose button has gone with its status', async () => {
    await shelve('Held');
    await here.board.row('Held').getByRole('button', { name: 'Start Held' }).press('Enter');
    await expect.poll(() => here.board.row('Held').innerText()).toContain('Queued');
    await expect.poll(() => here.board.page.locator(':focus').innerText()).toBe('Held');
  });

  it('tells a screen reader what ended: one by name, many by their number', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 12; index += 1) ids.push((await shelve(`Ends ${index}`)).id);
    await here.board.row('Ends 11').waitFor();
    await here.service.client.ask('cancel', { ids: ids.slice(1) });
    await expect.poll(announced).toBe('11 jobs changed');
    await here.service.client.ask('cancel', { ids: ids.slice(0, 1) });
    await expect.poll(announced).toBe('Ends 0: Cancelled');
  });

  it('closes the panel of a job that somebody else has deleted', async () => {
    const { id } = await shelve('Deleted elsewhere');
    await here.board.row('Deleted elsewhere').getByRole('button', { name: 'Deleted elsewhere', exact: true }).click();
    const panel = here.board.page.getByRole('complementary');
    await panel.waitFor();
    await here.service.client.ask('delete', { id });
    await panel.waitFor({ state: 'hidden' });
  });

  it('narrows the log by text and level', async () => {
    const { page } = here.board;
    await mkdir(path.join(here.service.files, 'logged'), { recursive: true });
    await writeFile(path.join(here.service.files, 'logged', 'a.txt'), 'a');
    const { id } = await here.service.client.create({
      type: 'rsync',
      name: 'Logged',
      source: `${here.service.files}/logged/`,
      destination: `${here.service.files}/logged-copy/`,
    });
    await expect.poll(async () => (await here.service.client.get(id)).status).toBe('completed');
    await here.board.row('Logged').getByRole('button', { name: 'Logged', exact: true }).click();
    await page.getByLabel('Level').selectOption('debug');
    const lines = page.locator('#log li');
    await expect.poll(() => lines.count()).toBeGreaterThan(2);
    const hasIt = (text: string) => text.includes('--partial-dir');
    await expect.poll(async () => (await lines.allInnerTexts()).every(hasIt)).toBe(false);
    await page.getByRole('searchbox', { name: 'Find in the log' }).fill('--partial-dir');
    await expect
      .poll(async () => [await lines.count(), (await lines.allInnerTexts()).every(hasIt)])
      .toEqual([expect.toSatisfy((count) => count > 0), true]);
    await page.getByLabel('Level').selectOption('error');
    await expect.poll(() => page.locator('#log-note').innerText()).toMatch(/^No /);
  });

  it('takes the keyboard to the field of the form that was refused', async () => {
    const { page } = here.board;
    await page.getByRole('button', { name: 'New copy' }).click();
    await page.getByRole('textbox', { name: 'Source' }).fill(`${here.service.files}/from/`);
    await page.getByRole('textbox', { name: 'Destination' }).fill(`${here.service.files}/to/`);
    await page.getByText('More options').click();
    await page.getByLabel('Leave out').fill('*.tmp\n!');
    await page.getByText('More options').click();
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await expect.poll(() => page.locator('#copy-error').innerText()).toContain('options.excludes[1]');
    expect(await page.locator(':focus').getAttribute('name')).toBe('excludes');
    expect(await page.locator(':focus').getAttribute('aria-invalid')).toBe('true');
  });

  it.each(JOB_STATUSES)('offers what the lifecycle allows when a job is %s', async (status) => {
    const commands = `import('/dashboard/words.js').then(({ COMMANDS }) => Object.entries(COMMANDS)
      .filter(([, { isInPanelOnly }]) => !isInPanelOnly)
      .map(([verb, { isLegal }]) => [verb, isLegal({ status: '${status}', wanted: 'run' })]))`;
    const offered = await here.board.page.evaluate<[string, boolean][]>(commands);
    const legal: string[] = legalEvents(status, 'run');
    expect(offered).toEqual(offered.map(([verb]) => [verb, legal.includes(verb)]));
  });
});
