import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import { rankBetween } from '../../actors/rank.js';
import { startAskedManager, type AskedManager } from '../support/asked-manager.js';

let manager: AskedManager;
beforeEach(async () => {
  manager = await startAskedManager();
});

const make = async (more: object = {}): Promise<string> => (await manager.ask('create', { type: 'probe', ...more })).id;
const order = async () => (await manager.ask('list', { status: ['queued'], sort: 'queue' })).jobs.map(({ id }) => id);

async function claimAll(types = ['probe']): Promise<string[]> {
  const ids: string[] = [];
  for (let id = await manager.claim(types); id !== null; id = await manager.claim(types)) ids.push(id);
  return ids;
}

describe('a waiting job', () => {
  test('moves first, last and before another, and stays there after a start', async () => {
    const [a, b, c, d] = [await make(), await make(), await make(), await make()];
    await manager.ask('reorder', { id: d, to: 'first' });
    await manager.ask('reorder', { id: a, to: 'last' });
    await manager.ask('reorder', { id: c, to: { before: b } });
    const e = await make();
    expect(await order()).toEqual([d, c, b, a, e]);
    manager = await manager.restart();
    expect(await order()).toEqual([d, c, b, a, e]);
    expect(await claimAll()).toEqual([d, c, b, a, e]);
  });

  test('takes the priority of those that it comes to stand beside', async () => {
    const [low, high, plain] = [await make({ priority: -5 }), await make({ priority: 5 }), await make()];
    expect(await manager.ask('reorder', { id: low, to: 'first' })).toMatchObject({ priority: 5 });
    expect(await manager.ask('reorder', { id: high, to: 'last' })).toMatchObject({ priority: 0 });
    expect(await claimAll()).toEqual([low, plain, high]);
  });

  test('moves among jobs of other types too', async () => {
    const [a, b] = [await make(), await make({ type: 'other' })];
    await manager.ask('reorder', { id: b, to: 'first' });
    expect(await claimAll(['probe', 'other'])).toEqual([b, a]);
  });

  test('that is first or last already stays as it is', async () => {
    const [a, b] = [await make(), await make()];
    expect(await manager.ask('reorder', { id: a, to: 'first' })).toMatchObject({ version: 1 });
    expect(await manager.ask('reorder', { id: a, to: { before: b } })).toMatchObject({ version: 1 });
    expect(await manager.ask('reorder', { id: b, to: 'last' })).toMatchObject({ version: 1 });
  });

  test('does not move to where there is no place', async () => {
    const [waits, runs] = [await make(), await make({ priority: 1 })];
    expect(await manager.claim()).toBe(runs);
    await expect(manager.ask('reorder', { id: runs, to: 'first' })).rejects.toMatchObject({ code: 'illegal_transition' });
    for (const before of [runs, waits]) {
      await expect(manager.ask('reorder', { id: waits, to: { before } })).rejects.toMatchObject({ details: { field: 'to.before' } });
    }
    await expect(manager.ask('reorder', { id: waits, to: 'last', ifVersion: 7 })).rejects.toMatchObject({ code: 'version_conflict' });
  });

  test('ends up where a plain list would have it, whatever is moved', async () => {
    const move = fc.tuple(fc.nat(7), fc.oneof(fc.constantFrom('first' as const, 'last' as const), fc.nat(7)));
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 40 }), async (moves) => {
        manager = await startAskedManager();
        const plain: string[] = [];
        for (let n = 0; n < 8; n += 1) plain.push(await make({ type: n % 2 ? 'probe' : 'other' }));
        for (const [from, to] of moves) {
          const [id, other] = [plain[from] as string, typeof to === 'number' ? (plain[to] as string) : ''];
          if (id === other) continue;
          await manager.ask('reorder', { id, to: typeof to === 'number' ? { before: other } : to });
          plain.splice(from, 1);
          plain.splice(to === 'first' ? 0 : to === 'last' ? 7 : plain.indexOf(other), 0, id);
        }
        expect(await order()).toEqual(plain);
        manager = await manager.restart();
        expect(await claimAll(['probe', 'other'])).toEqual(plain);
      }),
      { numRuns: 100 },
    );
  });
});

test('between two ranks there is always another one', () => {
  const places = ['01AAAA', '01AAAB', '01B'];
  const choice = fc.array(fc.nat(1000), { maxLength: 200 });
  fc.assert(
    fc.property(choice, (choices) => {
      const ranks = [...places];
      for (const n of choices) {
        const at = n % ranks.length;
        const [low, high] = [at === 0 ? '' : (ranks[at - 1] as string), ranks[at] as string];
        const rank = rankBetween(low, high);
        expect(rank > low && rank < high).toBe(true);
        ranks.splice(at, 0, rank);
      }
      expect(Math.max(...ranks.map(({ length }) => length))).toBeLessThan(100);
    }),
  );
});

describe('at most so many run at once', () => {
  const limits = (maxRunning: number, labels: { key: string; value: string | null; max: number }[] = []) =>
    startAskedManager({ limits: { maxRunning, maxPerTarget: 0, labels } });

  test('in all, and a claim that waits gets the next one when another ends', async () => {
    manager = await limits(2);
    const [a, b, c] = [await make(), await make(), await make()];
    expect(await claimAll()).toEqual([a, b]);
    expect(await manager.codesOf(c)).toEqual(['limit']);
    let got: string | undefined;
    void manager.ask('claim', { worker: 'w', types: ['probe'], waitMs: 4000 }).then(({ job }) => (got = job?.id));
    await manager.turn(10);
    expect(got).toBeUndefined();
    await manager.ask('complete', { id: a, attempt: 1 });
    await manager.turn(0);
    expect(got).toBe(c);
  });

  test('of one label, for each of its values or for one, and others pass by; a start counts the same', async () => {
    manager = await limits(0, [
      { key: 'disk', value: null, max: 2 },
      { key: 'disk', value: 'tape', max: 1 },
    ]);
    const on = (disk: string) => make({ labels: { disk } });
    const [a, b, c, d, e, free] = [await on('one'), await on('one'), await on('one'), await on('tape'), await on('tape'), await make()];
    expect(await claimAll()).toEqual([a, b, d, free]);
    for (const id of [c, e]) expect(await manager.codesOf(id)).toEqual(['limit']);
    manager = await manager.restart();
    expect(await claimAll()).toEqual([]);
    await manager.ask('fail', { id: d, attempt: 1, error: { code: 'broken', message: 'it broke' } });
    expect(await claimAll()).toEqual([e]);
  });

  test('to one disk of a machine, one other machine and one remote, wherever on it they write', async () => {
    const settings = { limits: { maxRunning: 0, maxPerTarget: 1, labels: [] }, remotes: ['cloud'], hosts: ['nas', 'ada@nas'] };
    manager = await startAskedManager(settings);
    const mounts = [
      { path: '/', disk: '/dev/sda' },
      { path: '/mnt/usb', disk: '/dev/sdb' },
      { path: '/srv/usb', disk: '/dev/sdb' },
    ];
    const claimOn = async (host: string, type = 'rsync') =>
      (await manager.ask('claim', { worker: `${host}/1`, types: [type], disks: { host, mounts } })).job?.id;
    const to = async (destination: string, type = 'rsync') => (await manager.ask('create', { type, source: '/from', destination })).id;
    const [usb, usbAgain, usbElsewhere, system, nas, nasAgain] = [
      await to('/mnt/usb/a'),
      await to('/mnt/usb/b'),
      await to('/srv/usb/c'),
      await to('/mnt/usbstick'),
      await to('nas:/a'),
      await to('ada@nas:/b'),
    ];
    const cloud = [await to('cloud:a', 'rclone'), await to('cloud:b', 'rclone')];
    for (const id of [usb, system, nas]) expect(await claimOn('here')).toBe(id);
    expect(await claimOn('here')).toBeUndefined();
    expect((await manager.ask('why', { id: usbAgain })).reasons).toMatchObject([
      { code: 'limit', message: expect.stringContaining('/dev/sdb of here') as string },
    ]);
    expect([await claimOn('here', 'rclone'), await claimOn('here', 'rclone')]).toEqual([cloud[0], undefined]);
    for (const id of [usbElsewhere, nasAgain, cloud[1] as string]) expect(await manager.codesOf(id)).toEqual(['limit']);
    manager = await manager.restart();
    expect(await claimOn('here')).toBeUndefined();
    // Another machine has other disks.
    expect(await claimOn('there')).toBe(usbAgain);
    let got: string | undefined;
    const disks = { host: 'here', mounts };
    void manager.ask('claim', { worker: 'w', types: ['rsync'], waitMs: 4000, disks }).then(({ job }) => (got = job?.id));
    await manager.turn(0);
    expect(got).toBeUndefined();
    await manager.ask('complete', { id: usb, attempt: 1 });
    await manager.turn(0);
    expect(got).toBe(usbElsewhere);
  });

  test('to any disk, for a worker that does not tell its disks', async () => {
    manager = await startAskedManager({ limits: { maxRunning: 0, maxPerTarget: 1, labels: [] } });
    for (const destination of ['/a', '/b']) await manager.ask('create', { type: 'rsync', source: '/from', destination });
    expect(await claimAll(['rsync'])).toHaveLength(2);
  });
});

describe('a duplicate', () => {
  const source = { type: 'rsync', source: '/from', destination: '/to' };

  test('is a new job of what the old one was asked to do, but for what is said to be otherwise', async () => {
    const asked = { ...source, name: 'photos', labels: { set: 'a' }, priority: 3, options: { excludes: ['*.tmp'], maxRetries: 2 } };
    const { id } = await manager.ask('create', asked);
    await manager.claim(['rsync']);
    await manager.ask('complete', { id, attempt: 1 });
    const made = await manager.ask('duplicate', { id });
    expect(made).toMatchObject({ ...asked, status: 'queued', attempt: 0, version: 1, progress: { percent: null } });
    expect(made.id).not.toBe(id);
    const other = await manager.ask('duplicate', { id, overrides: { destination: '/two', start: false, options: { verify: 'size' } } });
    expect(other).toMatchObject({
      destination: '/two',
      status: 'pending',
      options: { excludes: ['*.tmp'], maxRetries: 2, verify: 'size' },
    });
  });

  test('is one job for one key, though the old one has changed since', async () => {
    const id = await make({ start: false, input: { n: 1 } });
    const first: Job = await manager.ask('duplicate', { id, idempotencyKey: 'again' });
    await manager.ask('update', { id, name: 'renamed' });
    expect((await manager.ask('duplicate', { id, idempotencyKey: 'again' })).id).toBe(first.id);
    await expect(manager.ask('duplicate', { id, overrides: { name: 'x' }, idempotencyKey: 'again' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
  });

  test('of a job that deletes its source needs a yes of its own', async () => {
    const deleteSource = { mode: 'after_verify', confirmed: true };
    const { id } = await manager.ask('create', { ...source, options: { verify: 'checksum', deleteSource } });
    await expect(manager.ask('duplicate', { id })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await manager.ask('duplicate', { id, overrides: { options: { deleteSource } } })).toMatchObject({ options: { deleteSource } });
  });

  test.each([
    [{ colour: 'red' }, 'invalid_request'],
    [{ options: 'none' }, 'invalid_request'],
    [{ destination: 'nas:/to' }, 'remote_not_allowed'],
  ])('with the overrides %j is refused', async (overrides, code) => {
    const { id } = await manager.ask('create', source);
    await expect(manager.ask('duplicate', { id, overrides })).rejects.toMatchObject({ code });
    await expect(manager.ask('duplicate', { id: 'nobody' })).rejects.toMatchObject({ code: 'job_not_found' });
  });
});
