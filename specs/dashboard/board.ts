import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { openDashboard, startBrowser, type Dashboard } from './browser.js';

/** A service with a worker, and for each rule a dashboard of its own; a rule during which the page complained is red. */
export function useDashboard(): { readonly service: TestService; readonly board: Dashboard } {
  let service: TestService;
  let browser: Browser;
  let board: Dashboard;
  beforeAll(async () => {
    service = await startTestService({ worker: true });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await service.stop();
  });
  beforeEach(async () => {
    board = await openDashboard(browser, service);
  });
  afterEach(async () => {
    await board.close();
    expect(board.faults).toEqual([]);
  });
  return {
    get service() {
      return service;
    },
    get board() {
      return board;
    },
  };
}
