import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findTool } from '../../src/tools.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let browser: Browser;
let page: Page;
const faults: string[] = [];

beforeAll(async () => {
  service = await startTestService();
  browser = await chromium.launch({
    executablePath: findTool('chromium')?.path ?? 'chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
});
afterAll(async () => {
  await browser.close();
  await service.stop();
});
beforeEach(async () => {
  page = await browser.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  await page.goto(`${service.url}/?token=${service.token}`);
});
afterEach(async () => {
  await page.close();
  expect(faults.splice(0)).toEqual([]);
});

/** Any blank for any other: numbers and their units are held together on the page. */
const shows = (text: string, within = 'main') =>
  expect.poll(async () => (await page.locator(within).first().innerText()).replace(/\s+/g, ' ')).toContain(text);

test('the token does not stay in the address', async () => {
  expect(page.url()).toBe(`${service.url}/`);
  await shows('Live', 'body');
});

test('a job appears, moves and ends on the page without a reload', async () => {
  const { id } = await service.client.create({ type: 'film', name: 'holiday film' });
  await shows('holiday film');
  await service.client.ask('claim', { worker: 'spec/1', types: ['film'] });
  await service.client.ask('progress', { id, attempt: 1, progress: { percent: 42, bytesTransferred: 42, bytesTotal: 100 } });
  await shows('42 %');
  await service.client.ask('complete', { id, attempt: 1 });
  await shows('Completed', 'tr:has-text("holiday film")');
});

test('a name is shown as text, whatever it looks like', async () => {
  await service.client.create({ type: 'film', name: '<img src=x onerror=alert(1)>', start: false });
  await shows('<img src=x onerror=alert(1)>');
  expect(await page.locator('main img').count()).toBe(0);
});

test('a job is started from the page by keyboard', async () => {
  const { id } = await service.client.create({ type: 'film', name: 'by keyboard', start: false });
  const start = page.locator('tr', { hasText: 'by keyboard' }).getByRole('button', { name: /start/i }).first();
  await start.focus();
  await page.keyboard.press('Enter');
  await expect.poll(async () => (await service.client.get(id)).status).toBe('queued');
});

test('a page goes on through a restart of the manager', async () => {
  const { id } = await service.client.create({ type: 'film', name: 'while away', start: false });
  await shows('while away');
  await service.restartManager();
  await service.client.ask('update', { id, name: 'came back' });
  await shows('came back');
});
