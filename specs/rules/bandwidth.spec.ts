import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Verb } from '../../actors/requests.js';
import type { Answers } from '../../src/answers.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { announce, runCli } from '../cli/cli.js';
import { call } from '../http/http.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

/** The bandwidth limit of all transfers together, through every front end, and after a restart of the manager. */
let service: TestService;
beforeAll(async () => {
  service = await startTestService({ settings: { TALLYMAN_BANDWIDTH_LIMIT: '08:00 5M, 18:00 5M UTC' } });
});
afterAll(() => service.stop());

const SETTINGS = { from: 'settings', bytesPerSecond: 5_000_000, limit: { timeZone: 'UTC', steps: [{ from: '08:00' }, { from: '18:00' }] } };

describe.each(FRONT_ENDS)('over %s', (way) => {
  let frontEnd: FrontEnd;
  beforeAll(async () => {
    frontEnd = await openFrontEnd(service, way);
  });
  afterAll(() => frontEnd.close());

  const ask = <V extends Verb>(verb: V, body: object) => frontEnd.ask<Answers[V]>(verb, body);

  test('is that of the settings until another is set, which outlives the manager', async () => {
    expect(await ask('bandwidth', {})).toMatchObject({ ...SETTINGS, shares: [] });
    expect(await ask('set_bandwidth', { limit: 20_000_000 })).toMatchObject({ limit: 20_000_000, from: 'request' });
    await service.restartManager();
    expect(await ask('bandwidth', {})).toMatchObject({ limit: 20_000_000, from: 'request', bytesPerSecond: 20_000_000 });
    const timetable = { timeZone: 'Europe/Berlin', steps: [{ from: '00:00', bytesPerSecond: 2048, days: ['sat', 'sun'] }] };
    expect(await ask('set_bandwidth', { limit: timetable })).toMatchObject({ limit: timetable, bytesPerSecond: 2048 });
    expect(await ask('set_bandwidth', { limit: null })).toMatchObject(SETTINGS);
    await service.restartManager();
    expect(await ask('bandwidth', {})).toMatchObject(SETTINGS);
  });

  test.each([
    [{}, 'limit'],
    [{ limit: -1 }, 'limit'],
    [{ limit: 100 }, 'limit'],
    [{ limit: '20M' }, 'limit'],
    [{ limit: { steps: [] } }, 'limit.steps'],
    [{ limit: { steps: [{ from: '25:00', bytesPerSecond: 0 }] } }, 'limit.steps[0].from'],
    [{ limit: { timeZone: 'Mars/Base', steps: [{ from: '08:00', bytesPerSecond: 0 }] } }, 'limit.timeZone'],
  ])('%j is refused by its field', async (body, field) => {
    await expect(ask('set_bandwidth', body)).rejects.toMatchObject({ code: 'invalid_request', details: { field } });
  });
});

test('HTTP reads and sets it at /v1/bandwidth', async () => {
  const put = await call(service, '/v1/bandwidth', { method: 'PUT', body: { limit: 1_000_000 } });
  expect([put.status, put.json()]).toMatchObject([200, { limit: 1_000_000 }]);
  expect((await call(service, '/v1/bandwidth')).json()).toMatchObject({ limit: 1_000_000, from: 'request' });
  expect((await call(service, '/v1/bandwidth', { method: 'PUT', body: { limit: 1 } })).problem()).toMatchObject({ status: 400 });
  expect((await call(service, '/v1/bandwidth', { method: 'PUT', body: { limit: null } })).json()).toMatchObject(SETTINGS);
});

test('the command line shows and sets it in words', async () => {
  const dataDir = await announce(service);
  const run = (...args: string[]) => runCli(['bandwidth', ...args], { dataDir });
  expect((await run()).stdout).toMatch(/08:00 5.00 MB\/s, 18:00 5.00 MB\/s UTC \(TALLYMAN_BANDWIDTH_LIMIT\)/);
  expect((await run('20M')).stdout).toMatch(/limit +20.0 MB\/s\nnow +20.0 MB\/s\n/);
  expect((await run('off')).stdout).toMatch(/limit +off\n/);
  const { stdout } = await run('mon-fri 08:00 5M, 18:00 off Europe/Berlin', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    limit: { timeZone: 'Europe/Berlin', steps: [{ days: { length: 5 } }, { days: { length: 7 } }] },
  });
  const wrong = await run('fast');
  expect([wrong.code, wrong.stderr]).toEqual([EXIT_CODES.usage.code, expect.stringContaining('LIMIT is "fast"')]);
  expect((await run('settings', '--json')).stdout).toContain('"from":"settings"');
});

test('a setting that is no limit is said at the start', async () => {
  const { code, stderr } = await runCli(['serve', '--bandwidth-limit', '08:00 lots'], { dataDir: service.nats.dir });
  expect(code).not.toBe(0);
  expect(stderr).toContain('TALLYMAN_BANDWIDTH_LIMIT');
});
