import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { openDashboard, startBrowser, type Dashboard } from './browser.js';
import { holdLine, type HeldLine } from './held-line.js';

describe('The dashboard on a bad line', () => {
  let service: TestService;
  let browser: Browser;
  let board: Dashboard;
  let line: HeldLine;

  beforeAll(async () => {
    service = await startTestService();
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await service.stop();
  });
  beforeEach(async () => {
    board = await openDashboard(browser, service);
    line = await holdLine(board.page);
    await isLive();
  });
  afterEach(() => board.close());

  const isLive = () => expect.poll(() => board.connection.innerText()).toBe('Live');
  const tryNow = () => board.page.getByRole('button', { name: 'Try now' }).click();

  it('goes on from the last change that it has seen, not from the start', async () => {
    const { id } = await service.client.create({ type: 'probe', name: 'before the cut', start: false });
    await board.row('before the cut').waitFor();
    line.cut();
    await expect.poll(() => board.connection.innerText()).toContain('what you see may be old');
    await service.client.ask('update', { id, name: 'during the cut' });
    line.mend();
    await tryNow();
    await board.row('during the cut').waitFor();
    await isLive();
    const since = line.asked.filter(({ method }) => method === 'jobs.watch').map(({ params }) => params['since']);
    expect(since).toEqual([undefined, expect.any(Number)]);
  });

  it('says what to do when its sign-in is no longer good, and is live again after a new one', async () => {
    const context = board.page.context();
    const cookies = await context.cookies();
    await context.clearCookies();
    line.cut();
    await expect.poll(() => board.connection.innerText()).toContain('Signed out: open the address');
    line.mend();
    await context.addCookies(cookies);
    await tryNow();
    await isLive();
  });

  it('says of a command that it could not send that nothing was done', async () => {
    const { id } = await service.client.create({ type: 'probe', name: 'not sent', start: false });
    const start = board.row('not sent').getByRole('button', { name: 'Start not sent' });
    await start.waitFor();
    line.cut();
    await expect.poll(() => board.connection.innerText()).toContain('Not connected');
    await start.click();
    await expect.poll(() => board.page.locator('#notices').innerText()).toContain('not sent: The connection is down: nothing was done.');
    expect(await service.client.get(id)).toMatchObject({ status: 'pending', version: 1 });
  });

  it('makes a copy once, though the answer was lost and it was asked for again', async () => {
    const { page } = board;
    await page.getByRole('button', { name: 'New copy' }).click();
    await page.getByRole('textbox', { name: 'Source' }).fill(`${service.files}/from/`);
    await page.getByRole('textbox', { name: 'Destination' }).fill(`${service.files}/to/`);
    await page.getByText('More options').click();
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('asked twice');
    line.loseAnswer('"result":{"id"');
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await expect.poll(() => page.locator('#copy-error').innerText()).toContain('it may have been done or not');
    await isLive();
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await page.locator('#copy-dialog').waitFor({ state: 'hidden' });
    expect(line.asked.filter(({ method }) => method === 'jobs.create')).toHaveLength(2);
    expect(await service.client.list({ text: 'asked twice' })).toMatchObject({ total: 1 });
  });
});
