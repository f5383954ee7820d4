import { expect, onTestFinished, test, vi } from 'vitest';
import { announce, runCli } from '../cli/cli.js';
import { startAskedManager } from '../support/asked-manager.js';
import { call } from '../http/http.js';
import { startTestService } from '../support/service.js';

const HOUR_MS = 3_600_000;

test('a clock that is set back is told until it has caught up, also by a manager that starts then', async () => {
  let manager = await startAskedManager();
  const clock = async () => (await manager.ask('stats', {})).clock;
  const { createdAt } = await manager.ask('create', { type: 'probe' });
  expect(await clock()).toEqual({ behindMs: 0, timesHeld: false });
  manager.clock.ms -= HOUR_MS;
  expect(await clock()).toEqual({ behindMs: HOUR_MS, timesHeld: true });
  expect((await manager.ask('create', { type: 'probe' })).createdAt).toBe(createdAt);
  manager = await manager.restart();
  const { behindMs, timesHeld } = await clock();
  expect(behindMs).toBeGreaterThan(HOUR_MS - 10_000);
  expect(timesHeld).toBe(false);
  await manager.turn(HOUR_MS);
  expect(await clock()).toEqual({ behindMs: 0, timesHeld: false });
});

test('doctor and /healthz warn of it and say what to do, and are quiet when it is right', async () => {
  const real = Date.now.bind(Date);
  let aheadMs = HOUR_MS;
  vi.spyOn(Date, 'now').mockImplementation(() => real() + aheadMs);
  onTestFinished(() => void vi.restoreAllMocks());
  const service = await startTestService();
  onTestFinished(() => service.stop());
  const dataDir = await announce(service);
  await service.client.create({ type: 'probe' });
  const look = async () => {
    const { stdout, code } = await runCli(['doctor'], { dataDir });
    expect(code).toBe(0);
    return { stdout, health: (await call(service, '/healthz')).json() };
  };
  const before = await look();
  expect(before.stdout).not.toMatch(/^\w+ +clock/m);
  expect(before.health).toMatchObject({ status: 'ok', warnings: [] });
  aheadMs = 0;
  const after = await look();
  expect(after.stdout).toMatch(/^warning +clock +The clock of the job manager stands \d+ s behind/m);
  expect(after.stdout).toContain('restart the manager');
  expect(after.health).toMatchObject({
    status: 'ok',
    warnings: [
      { message: expect.stringContaining('times stand still') as string, advice: expect.stringContaining('timedatectl') as string },
    ],
  });
}, 60_000);
