import { describe, expect, it } from 'vitest';
import { useDashboard } from './board.js';

const spec = useDashboard();
const list = () => spec.board.page.locator('#schedule-list');
const schedulesOf = async (name: string) =>
  (await spec.service.client.ask('schedule_list', {})).schedules.filter((schedule) => schedule.name === name);

async function opened(name: string, options: object = {}): Promise<void> {
  const files = spec.service.files;
  await spec.service.client.create({ type: 'rsync', name, source: `${files}/from/`, destination: `${files}/to/`, start: false, options });
  await spec.board.row(name).getByRole('button', { name, exact: true }).click();
  await spec.board.page.getByRole('button', { name: 'Put on a schedule…' }).click();
}

describe('Schedules on the page', () => {
  it('are made of a job, run at once, paused, resumed and deleted', async () => {
    const { page } = spec.board;
    await opened('Weekly');
    await page.getByLabel('How often').selectOption('Every week');
    await page.locator('[name=day]').selectOption('Friday');
    await page.getByLabel('Time', { exact: true }).fill('23:05');
    await page.getByLabel('Time zone').fill('Europe/Berlin');
    await page.getByRole('button', { name: 'Make the schedule' }).click();
    await expect.poll(() => list().innerText()).toContain('5 23 * * FRI (Europe/Berlin)');
    expect(await schedulesOf('Weekly')).toMatchObject([
      { cron: '5 23 * * FRI', timeZone: 'Europe/Berlin', overlap: 'skip', job: { type: 'rsync', source: `${spec.service.files}/from/` } },
    ]);
    await page.getByRole('button', { name: 'Pause Weekly' }).click();
    await expect.poll(() => list().innerText()).toContain('Paused');
    expect(await schedulesOf('Weekly')).toMatchObject([{ enabled: false }]);
    await page.getByRole('button', { name: 'Resume Weekly' }).click();
    await expect.poll(() => list().innerText()).toContain('Next:');
    await page.getByRole('button', { name: 'Run now Weekly' }).click();
    await page.locator('#schedules').waitFor({ state: 'hidden' });
    const [weekly] = await schedulesOf('Weekly');
    await expect.poll(() => page.locator('#facts').innerText()).toContain(weekly?.id);
    await page.getByRole('button', { name: 'Schedules' }).click();
    await list().getByRole('button', { name: 'Delete Weekly' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await expect.poll(() => schedulesOf('Weekly')).toEqual([]);
    await page.getByText('None yet.').waitFor();
  });

  it('of moves need a yes to the deletion, and wrong expressions are told in the form', async () => {
    const { page } = spec.board;
    await opened('Mover', { deleteSource: { mode: 'per_file', confirmed: true } });
    await page.getByLabel('How often').selectOption('By a cron expression');
    await page.getByRole('textbox', { name: 'Cron expression' }).fill('every day');
    const make = page.getByRole('button', { name: 'Make the schedule' });
    await make.click();
    expect(await page.locator('#schedule-error').innerText()).toContain('Say yes to the deletion');
    await page.getByLabel('Yes, every run deletes').check();
    await make.click();
    await expect.poll(() => page.locator('#schedule-error').innerText()).toContain('cron');
    await page.getByRole('textbox', { name: 'Cron expression' }).fill('0 3 1 * *');
    await make.click();
    await expect
      .poll(() => schedulesOf('Mover'))
      .toMatchObject([{ cron: '0 3 1 * *', job: { options: { deleteSource: { confirmed: true } } } }]);
  });
});

describe('The speed limit on the page', () => {
  it('is told, set, taken away and given back to the settings', async () => {
    const { page } = spec.board;
    await page.getByRole('button', { name: 'Speed limit' }).click();
    const now = page.locator('#bandwidth-now');
    await expect.poll(() => now.innerText()).toBe('No limit holds now, from the settings.');
    await page.getByLabel('Megabytes a second').fill('2.5');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await expect.poll(() => now.innerText()).toBe('At most 2.50 MB/s hold now, set while it ran.');
    expect(await spec.service.client.ask('bandwidth', {})).toMatchObject({ limit: 2_500_000, from: 'request' });
    await page.getByRole('button', { name: 'No limit' }).click();
    await expect.poll(() => now.innerText()).toBe('No limit holds now, set while it ran.');
    await page.getByRole('button', { name: 'As in the settings' }).click();
    await expect.poll(() => now.innerText()).toBe('No limit holds now, from the settings.');
    await page.getByLabel('Megabytes a second').fill('a lot');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await expect.poll(() => page.locator('#bandwidth-error').innerText()).toContain('Give a number');
  });
});
