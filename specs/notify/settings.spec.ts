import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import { startTestService } from '../support/service.js';
import { announce, runCli } from '../cli/cli.js';

const SECRET = `whsec_${Buffer.alloc(24, 'k').toString('base64')}`;

test('nobody is told unless the settings say so, and private addresses are closed', () => {
  expect(readConfig({}).notify).toEqual({
    webhook: null,
    webhookSecret: null,
    webhookPrivate: false,
    command: null,
    on: ['completed', 'warning', 'failed', 'cancelled', 'skipped'],
  });
});

test('the settings are read', () => {
  const env = {
    TALLYMAN_WEBHOOK: 'https://example.org/hook',
    TALLYMAN_WEBHOOK_SECRET: SECRET,
    TALLYMAN_WEBHOOK_PRIVATE: 'allow',
    TALLYMAN_NOTIFY_COMMAND: '["/usr/bin/tell me", "$(x)"]',
    TALLYMAN_NOTIFY_ON: 'failed, warning',
  };
  expect(readConfig(env).notify).toEqual({
    webhook: 'https://example.org/hook',
    webhookSecret: SECRET,
    webhookPrivate: true,
    command: ['/usr/bin/tell me', '$(x)'],
    on: ['failed', 'warning'],
  });
});

test.each([
  ['WEBHOOK', 'https://ada:between-us@example.org/', /must hold no user and no password/],
  ['WEBHOOK', 'gopher://example.org/between-us', /begins with https/],
  ['WEBHOOK_SECRET', 'between-us', /"whsec_" and 24 to 64 bytes in base64/],
  ['WEBHOOK_PRIVATE', 'yes', /deny.*allow/],
  ['NOTIFY_COMMAND', '/usr/bin/tell-me --loud', /a JSON array of texts/],
  ['NOTIFY_COMMAND', '[]', /the program first/],
  ['NOTIFY_COMMAND', '["a\\u0000b"]', /NUL/],
  ['NOTIFY_ON', 'failed,broken', /completed, warning, failed, cancelled/],
])('TALLYMAN_%s=%s is refused at the start, and no secret is shown', (name, value, message) => {
  const read = () => readConfig({ [`TALLYMAN_${name}`]: value });
  expect(read).toThrow(message);
  expect(read).toThrow(expect.objectContaining({ message: expect.not.stringContaining('between-us') as string }));
});

test('the command line says whom a job tells, and of what', async () => {
  const service = await startTestService({ gateway: false });
  const options = { dataDir: await announce(service), cwd: service.nats.dir };
  const made = await runCli(
    ['create', '--type', 'render', '--pending', '--webhook', 'https://example.org/hook', '--notify-on', 'failed,warning'],
    options,
  );
  const notify = { webhook: 'https://example.org/hook', on: ['failed', 'warning'] };
  expect(await service.client.get(made.stdout.trim())).toMatchObject({ options: { notify } });
  expect((await runCli(['show', made.stdout.trim()], options)).stdout).toMatch(/tells +https:\/\/example\.org\/hook, of failed, warning/);
  expect((await runCli(['create', '--type', 'render', '--webhook', 'nowhere'], options)).stderr).toContain('options.notify.webhook: a URL');
  await service.stop();
});
