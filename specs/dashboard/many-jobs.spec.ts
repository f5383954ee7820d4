import { expect, it } from 'vitest';
import { StubHub, startStubGateway, stubJob } from '../http/stub-gateway.js';
import { openDashboard, startBrowser } from './browser.js';

it('The dashboard says when older jobs are left out of its list', async () => {
  const hub = new StubHub();
  const gateway = await startStubGateway({ hub });
  const browser = await startBrowser();
  const { page, row } = await openDashboard(browser, gateway);
  const hint = page.getByText('Only the newest jobs are on this page');
  await expect.poll(() => hub.watchers).toBe(1);
  hub.emit({ kind: 'reset', seq: 2, jobs: [stubJob('one', 1)], total: 1 });
  await row(stubJob('one', 1).name).waitFor();
  expect(await hint.isVisible()).toBe(false);
  hub.emit({ kind: 'reset', seq: 3, jobs: [stubJob('one', 2)], total: 10_001 });
  await hint.waitFor();
  await browser.close();
  await gateway.close();
});
