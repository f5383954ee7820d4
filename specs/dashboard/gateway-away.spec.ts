import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGatewayRole } from '../../src/roles/gateway-role.js';
import type { RunningRole } from '../../src/roles/role.js';
import { startTestService, TEST_TOKEN, type TestService } from '../support/service.js';
import { openDashboard, startBrowser } from './browser.js';

describe('The dashboard and its gateway', () => {
  let service: TestService;
  let browser: Browser;

  beforeAll(async () => {
    service = await startTestService({ gateway: false });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await service.stop();
  });

  it('says when it is not connected, and is right again after the gateway comes back', async () => {
    const { client, nats } = service;
    const startOn = (port: string): Promise<RunningRole & { url: string }> =>
      startGatewayRole({
        config: { ...nats.config, httpPort: Number(port) },
        login: nats.logins.gateway,
        token: TEST_TOKEN,
        durability: '',
      });
    let gateway = await startOn('0');
    try {
      const { url } = gateway;
      const gone = await client.create({ type: 'probe', name: 'Gone', start: false });
      const kept = await client.create({ type: 'probe', name: 'Kept', start: false });
      const board = await openDashboard(browser, { url, token: TEST_TOKEN });
      await board.row('Kept').waitFor();
      expect(await board.connection.innerText()).toBe('Live');
      await gateway.stop();
      await expect.poll(() => board.connection.innerText()).toContain('Not connected');
      await client.command('start', kept.id);
      await client.ask('delete', { id: gone.id });
      await client.create({ type: 'probe', name: 'New', start: false });
      gateway = await startOn(new URL(url).port);
      await expect.poll(() => board.connection.innerText(), { timeout: 20_000 }).toBe('Live');
      await expect.poll(() => board.row('Kept').innerText()).toContain('Queued');
      await board.row('New').waitFor();
      expect(await board.row('Gone').count()).toBe(0);
      await board.close();
    } finally {
      await gateway.stop();
    }
  });
});
