import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { findTool } from '../../src/tools.js';

/** The real Chromium, without what it would do besides. */
export async function startBrowser(): Promise<Browser> {
  const tool = findTool('chromium');
  if (!tool) throw new Error('Chromium is not here: "npm test" fetches it, or put it on the PATH.');
  return chromium.launch({
    executablePath: tool.path,
    env: { ...(process.env as Record<string, string>), ...tool.env },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
}

/** The dashboard in a browser of its own, signed in. `faults` gets what the page or the policy of its contents complains about. */
export interface Dashboard {
  page: Page;
  faults: string[];
  row(name: string): Locator;
  /** The words of the connection state. */
  connection: Locator;
  close(): Promise<void>;
}

export async function openDashboard(
  browser: Browser,
  service: { url: string; token: string },
  look: Parameters<Browser['newContext']>[0] = {},
): Promise<Dashboard> {
  const context = await browser.newContext(look);
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // A connection that is cut on purpose is no fault of the page.
    if (message.type() === 'error' && !message.text().includes('ERR_CONNECTION')) faults.push(message.text());
  });
  await page.goto(`${service.url}/?token=${service.token}`);
  return {
    page,
    faults,
    row: (name) => page.getByRole('row').filter({ has: page.getByRole('button', { name, exact: true }) }),
    connection: page.locator('#connection-text'),
    close: () => context.close(),
  };
}
