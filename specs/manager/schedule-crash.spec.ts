import { afterEach, beforeEach, expect, test } from 'vitest';
import { endProcess, startSplitService, type SplitService } from '../support/split-service.js';

const CRASHES = 4;

let service: SplitService;
beforeEach(async () => {
  service = await startSplitService();
});
afterEach(() => service.stop());

test('killed again and again while runs are due, it makes up for what it missed, and runs no time twice', { timeout: 60_000 }, async () => {
  let manager = await service.startManager();
  const client = await service.connect();
  const { id } = await client.ask('schedule_create', { name: 'often', cron: '* * * * * *', overlap: 'allow', job: { type: 'probe' } });
  const runs = async () => (await client.list({ schedule: id, sort: 'createdAt', limit: 1000 })).jobs;
  for (let crash = 0; crash < CRASHES; crash += 1) {
    const before = (await runs()).length;
    await expect.poll(async () => (await runs()).length, { timeout: 20_000, interval: 5 }).toBeGreaterThan(before);
    await endProcess(manager, 'SIGKILL');
    const killedMs = Date.now();
    // A quick start would miss nothing: here two times pass before it.
    if (crash === 0) await expect.poll(() => Date.now(), { timeout: 20_000 }).toBeGreaterThan(killedMs + 2_000);
    manager = await service.startManager();
  }
  const made = await runs();
  expect(await client.ask('schedule_get', { id })).toMatchObject({ enabled: true });
  const notes = await Promise.all(made.map(async (job) => (await client.history(job.id))[0]?.note ?? ''));
  const times = notes.map((note) => ({ dueMs: Date.parse(/due at (\S+Z)/.exec(note)?.[1] ?? ''), makesUp: note.includes('makes up for') }));
  const gaps = times.slice(1).map(({ dueMs, makesUp }, index) => ({ seconds: (dueMs - times[index]!.dueMs) / 1000, makesUp }));
  for (const { seconds, makesUp } of gaps) expect(makesUp ? seconds > 1 : seconds === 1, JSON.stringify(gaps)).toBe(true);
  expect(gaps.some(({ makesUp }) => makesUp)).toBe(true);
});
