import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { useDashboard } from './board.js';

const spec = useDashboard();

/** Two folders with a name of their own, and the form filled in with them. */
async function filled(
  name: string,
  { source = {}, destination = {} }: { source?: Record<string, string>; destination?: Record<string, string> },
) {
  const { page } = spec.board;
  const sides = { source: path.join(spec.service.files, name, 'from'), destination: path.join(spec.service.files, name, 'to') };
  for (const [side, files] of [
    [sides.source, source],
    [sides.destination, destination],
  ] as const) {
    await mkdir(side, { recursive: true });
    for (const [file, content] of Object.entries(files)) await writeFile(path.join(side, file), content);
  }
  await page.getByRole('button', { name: 'New copy' }).click();
  await page.getByRole('textbox', { name: 'Source' }).fill(`${sides.source}/`);
  await page.getByRole('textbox', { name: 'Destination' }).fill(`${sides.destination}/`);
  await page.getByText('More options').click();
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(name);
  return { page, ...sides };
}
const preview = () => spec.board.page.locator('#preview');
const press = (name: string) => spec.board.page.locator('#copy-dialog').getByRole('button', { name, exact: true }).click();
const statusOf = (name: string) => expect.poll(() => spec.board.row(name).innerText(), { timeout: 20_000 });

describe('The form of a new copy', () => {
  it('shows what a copy would do, with the exact command, and forgets it when something else is chosen', async () => {
    const { page, destination } = await filled('Shown', { source: { a: 'a', 'b.tmp': 'b' }, destination: {} });
    await page.getByLabel('Leave out').fill('*.tmp\n*.none');
    await press('Preview');
    await preview().waitFor();
    expect(await page.locator('#preview-summary').innerText()).toMatch(/^1 file made \(1 B\)[^]*1 left out by the patterns\.$/);
    expect(await page.locator('#preview-names').innerText()).toContain('made a 1 B');
    expect(await page.locator('#preview-findings').innerText()).toBe('Nothing matches the pattern *.none.');
    await page.getByText('The exact command').click();
    expect(await page.locator('#preview-command').innerText()).toContain('--partial-dir');
    expect(await readdir(destination)).toEqual([]);
    await page.getByLabel('Leave out').fill('');
    await preview().waitFor({ state: 'hidden' });
    await press('Copy');
    await statusOf('Shown').toContain('Completed');
    expect((await readdir(destination)).sort()).toEqual(['a', 'b.tmp']);
  });

  it('shows what a mirror would delete before it makes one, and makes it do no more than that', async () => {
    const { page, destination } = await filled('Mirrored', { source: { a: 'a' }, destination: { old: 'old' } });
    await page.getByLabel('What to do').selectOption('mirror');
    await press('Mirror');
    await preview().waitFor();
    expect(await page.locator('#preview-names').innerText()).toContain('deleted old');
    expect(await page.locator('#copy-note').innerText()).toContain('Press Mirror again');
    expect(await spec.board.row('Mirrored').count()).toBe(0);
    await writeFile(path.join(destination, 'newer'), 'came meanwhile');
    await press('Mirror');
    await statusOf('Mirrored').toContain('Failed');
    expect((await readdir(destination)).sort()).toEqual(['newer', 'old']);
  });

  it('moves only with a yes to the deletion', async () => {
    const { page, source, destination } = await filled('Moved', { source: { a: 'a' } });
    await page.getByLabel('What to do').selectOption('move');
    await press('Move');
    expect(await page.locator('#copy-error').innerText()).toContain('Say yes to the deletion');
    await page.getByLabel('Yes, delete the source files').check();
    await press('Move');
    await statusOf('Moved').toMatch(/Completed[^]*1.file.deleted.in.the.source/);
    expect([await readdir(source), await readdir(destination)]).toEqual([[], ['a']]);
  });

  it('takes a bandwidth limit, patience and the other program', async () => {
    const { page } = await filled('Limited', { source: { a: 'a' } });
    await page.getByRole('textbox', { name: 'Speed limit' }).fill('1,5');
    await page.getByLabel('Wait while a disk').check();
    await page.getByLabel('Program').selectOption('rclone');
    await press('Copy');
    await statusOf('Limited').toContain('Completed');
    const { jobs } = await spec.service.client.list({ text: 'Limited' });
    expect(jobs).toMatchObject([{ type: 'rclone', options: { bandwidthLimit: 1_500_000, whenAway: 'wait' } }]);
  });
});
