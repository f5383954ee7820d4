import type { NatsConnection } from 'nats';
import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { connectNats } from '../../src/nats/connection.js';
import { monitorOf } from '../../src/nats/connection-monitor.js';
import { WatchHub } from '../../src/nats/watch-hub.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { startProxy, type CuttableProxy } from './cuttable-proxy.js';
import { Mirror, versionsOf } from './mirror.js';
import { Scribe } from './scribe.js';

let nats: TestNats;
let scribe: Scribe;
let proxy: CuttableProxy;
let nc: NatsConnection;
let hub: WatchHub;

beforeEach(async () => {
  nats = await startTestNats();
  scribe = await Scribe.start(nats);
  proxy = await startProxy(nats.url);
  nc = await connectNats({ ...nats.logins.gateway, url: proxy.url }, 'gateway');
  hub = newHub();
});

afterEach(async () => {
  await hub.close();
  await nc.close();
  await scribe.nc.close();
  await proxy.close();
  await nats.stop();
});

const newHub = (lingerMs = 30_000): WatchHub => new WatchHub({ nc, prefix: 'tallyman', client: scribe.client, lingerMs });
const truth = (): Record<string, number> => versionsOf(scribe.jobs.values());
const seesTheTruth = async (...mirrors: Mirror[]): Promise<void> => {
  for (const mirror of mirrors) {
    await expect.poll(() => mirror.state, { timeout: 20_000 }).toEqual(truth());
    expect(mirror.complaints).toEqual([]);
  }
};
const isDisconnected = () => expect.poll(() => monitorOf(nc).connected).toBe(false);

describe('a watcher', () => {
  test('gets the jobs as they are, then every change, in the order of the journal', async () => {
    await scribe.put('a');
    await scribe.put('b');
    const mirror = await Mirror.follow(hub);
    expect(mirror.watch?.first).toMatchObject({ kind: 'snapshot', seq: 2, deleted: [], total: 2 });

    await scribe.put('a', { status: 'running' });
    await scribe.put('c');
    await scribe.del('b');
    await seesTheTruth(mirror);
    expect(mirror.events.flatMap((event) => event.deleted)).toEqual(['b']);
  });

  test('misses nothing that changes while its list is made', async () => {
    await scribe.put('a');
    let calls = 0;
    scribe.whileListing = async () => {
      if (calls++ === 0)
        await scribe.commit([
          { id: 'a', fields: { status: 'failed' } },
          { id: 'b', fields: {} },
        ]);
    };
    await seesTheTruth(await Mirror.follow(hub));
  });

  test('gets pages of the list until its end', async () => {
    const ids = Array.from({ length: 2500 }, (_, index) => `j${String(index).padStart(5, '0')}`);
    await scribe.commit(ids.map((id) => ({ id, fields: {} })));
    const mirror = await Mirror.follow(hub);
    expect(mirror.jobs.size).toBe(2500);
  });

  test('of some ids hears of these alone, and not of those that are not there', async () => {
    await scribe.commit([
      { id: 'a', fields: {} },
      { id: 'b', fields: {} },
    ]);
    const mirror = await Mirror.follow(hub, { ids: ['a', 'gone'] });
    expect(Object.keys(mirror.state)).toEqual(['a']);
    await scribe.put('b', { status: 'running' });
    await scribe.put('a', { status: 'running' });
    await expect.poll(() => mirror.state).toEqual({ a: 2 });
    expect(mirror.events.flatMap((event) => event.jobs.map((job) => job.id))).toEqual(['a', 'a']);
  });

  test('of a status hears once more of a job that leaves it, and then not until it comes back', async () => {
    await scribe.put('a', { status: 'running' });
    await scribe.put('b', { status: 'queued' });
    const mirror = await Mirror.follow(hub, { status: ['running'] });
    const heard = (): string[] =>
      mirror.events.slice(1).flatMap((event) => [...event.jobs.map((job) => `${job.id} ${job.status}`), ...event.deleted]);
    const steps: [string, Parameters<Scribe['put']>[1] | null, string[]][] = [
      ['b', { priority: 1 }, []],
      ['a', { status: 'paused' }, ['a paused']],
      ['a', { priority: 2 }, []],
      ['b', null, []],
      ['a', { status: 'running' }, ['a running']],
      ['a', null, ['a']],
      ['c', { status: 'running' }, ['c running']],
    ];
    const expected: string[] = [];
    for (const [id, fields, what] of steps) {
      const seq = fields ? await scribe.put(id, fields) : await scribe.del(id);
      expected.push(...what);
      await expect.poll(() => mirror.watch?.seq).toBe(seq);
      expect(heard()).toEqual(expected);
    }
  });

  test('hears nothing of records that change nothing', async () => {
    await scribe.put('a');
    const mirror = await Mirror.follow(hub);
    await scribe.append('epoch', []);
    await scribe.append('carried', [{ put: [...scribe.jobs.values()][0]! }]);
    const seq = await scribe.append('closed', []);
    await expect.poll(() => mirror.watch?.seq).toBe(seq);
    expect(mirror.kinds).toEqual(['snapshot']);
  });

  test('whose sink throws is dropped, and the others hear everything', async () => {
    await scribe.put('a');
    const throwing = await hub.watch({}, undefined, () => {
      throw new Error('broken watcher');
    });
    const mirror = await Mirror.follow(hub);
    await scribe.put('a', { status: 'running' });
    await scribe.put('a', { status: 'completed' });
    await seesTheTruth(mirror);
    expect(hub.watchers).toBe(1);
    throwing.stop();
    expect(hub.watchers).toBe(1);
  });

  test('that has stopped hears nothing any more', async () => {
    await scribe.put('a');
    const [one, other] = [await Mirror.follow(hub), await Mirror.follow(hub)];
    one.watch?.stop();
    await scribe.put('a', { status: 'running' });
    await seesTheTruth(other);
    expect(one.kinds).toEqual(['snapshot']);
  });
});

describe('a watcher that comes back', () => {
  test('gets what changed since, the newest state of each job, in one event', async () => {
    await scribe.put('a');
    const since = await scribe.put('b');
    await scribe.put('a', { status: 'running' });
    await scribe.put('a', { status: 'completed' });
    await scribe.del('b');
    await scribe.put('short');
    await scribe.del('short');
    const { first } = await Mirror.follow(hub, {}, since).then((mirror) => mirror.watch!);
    expect(first).toMatchObject({ kind: 'changed', seq: scribe.seq, deleted: ['b'] });
    expect(first.jobs.map((job) => [job.id, job.version])).toEqual([['a', 3]]);
  });

  test('gets it from the journal when it is too old for the memory', async () => {
    await scribe.put('a');
    const since = await scribe.put('old');
    await scribe.put('old', { status: 'completed' });
    await scribe.progress('a', { bytesTransferred: 5 });
    await Promise.all(Array.from({ length: 1200 }, () => scribe.append('epoch', [])));
    await scribe.put('a', { status: 'failed' });
    const mirror = await Mirror.follow(hub, {}, since);
    expect(mirror.kinds).toEqual(['changed']);
    expect(mirror.state).toEqual(truth());
    await scribe.put('a', { status: 'queued' });
    await seesTheTruth(mirror);

    await scribe.purgeBelow(scribe.seq + 1);
    const late = await Mirror.follow(hub, {}, since);
    expect(late.kinds).toEqual(['reset']);
    expect(late.state).toEqual(truth());
  });

  test('gets a reset with a fresh list when that part of the journal is purged, or not there yet', async () => {
    await scribe.put('a');
    await scribe.put('b');
    await scribe.put('a', { status: 'running' });
    await scribe.purgeBelow(3);
    for (const since of [0, 1, scribe.seq + 1]) {
      const mirror = await Mirror.follow(hub, {}, since);
      expect(mirror.kinds, `since ${since}`).toEqual(['reset']);
      expect(mirror.state).toEqual(truth());
    }
    const atTheEdge = await Mirror.follow(hub, {}, 2);
    expect(atTheEdge.kinds).toEqual(['changed']);
  });

  test('goes on at the same place through another gateway', async () => {
    await scribe.put('a');
    const before = await Mirror.follow(hub);
    await hub.close();
    await scribe.put('a', { status: 'running' });
    await scribe.put('b');
    hub = newHub();
    const after = await Mirror.follow(hub, {}, before.watch?.seq);
    expect(after.kinds).toEqual(['changed']);
    expect(after.state).toEqual(truth());
  });
});

describe('the final state of a job reaches a watcher', () => {
  test('when nats-server is killed and started again', async () => {
    await scribe.put('a');
    const mirror = await Mirror.follow(hub);
    await nats.kill();
    await nats.restart();
    await vi.waitFor(() => scribe.consumers(), { timeout: 15_000, interval: 100 });
    await scribe.put('a', { status: 'completed' });
    await seesTheTruth(mirror);
    expect(mirror.kinds).not.toContain('reset');
  });

  test('when the connection breaks and the last change is made meanwhile', async () => {
    await scribe.put('a');
    const mirror = await Mirror.follow(hub);
    proxy.cut();
    await isDisconnected();
    await scribe.put('a', { status: 'completed' });
    await scribe.del('a');
    await scribe.put('b');
    proxy.mend();
    await seesTheTruth(mirror);
    expect(mirror.kinds).not.toContain('reset');
  });

  test('when it is lost on the way, and the connection comes back', async () => {
    await scribe.put('a');
    const mirror = await Mirror.follow(hub);
    proxy.mute();
    await scribe.put('a', { status: 'completed' });
    await scribe.put('b');
    proxy.mend();
    await seesTheTruth(mirror);
    expect(mirror.kinds).not.toContain('reset');
  });

  test('when the journal is purged under a watcher that lags: with a reset', async () => {
    await scribe.put('a');
    const mirrors = [await Mirror.follow(hub), await Mirror.follow(hub, { ids: ['a', 'b'] })];
    proxy.cut();
    await isDisconnected();
    await scribe.put('a', { status: 'completed' });
    await scribe.put('b');
    await scribe.append('epoch', []);
    await scribe.purgeBelow(scribe.seq);
    proxy.mend();
    await seesTheTruth(...mirrors);
    for (const mirror of mirrors) expect(mirror.kinds).toEqual(['snapshot', 'reset']);
    await scribe.put('a', { status: 'queued' });
    await seesTheTruth(...mirrors);
  });

  test('when the journal is made anew: with a reset', async () => {
    await scribe.put('a');
    await scribe.put('b');
    const mirror = await Mirror.follow(hub);
    await nats.kill();
    await removeStreams(nats);
    await nats.restart();
    await vi.waitFor(() => scribe.makeStream(), { timeout: 15_000, interval: 100 });
    scribe.jobs.clear();
    await scribe.put('z');
    await seesTheTruth(mirror);
    expect(mirror.kinds).toContain('reset');
    await scribe.put('z', { status: 'running' });
    await seesTheTruth(mirror);
  });

  test('when a record of the journal cannot be read: with a reset', async () => {
    await scribe.put('a');
    const mirror = await Mirror.follow(hub);
    const seq = await scribe.appendBytes(Buffer.from('tallyman/9 00000000\n{"kind":"novel"}'));
    await expect.poll(() => mirror.kinds).toEqual(['snapshot', 'reset']);
    expect(mirror.watch?.seq).toBe(seq);
    await scribe.put('a', { status: 'running' });
    await seesTheTruth(mirror);
  });

  test('when the list fails at first', async () => {
    await scribe.put('a');
    const mirror = await Mirror.follow(hub);
    let failures = 3;
    scribe.whileListing = () => (failures-- > 0 ? Promise.reject(new Error('no manager')) : Promise.resolve());
    await scribe.appendBytes(Buffer.from('not a record'));
    await scribe.put('a', { status: 'failed' });
    await seesTheTruth(mirror);
  });

  test('among a thousand watchers', { timeout: 60_000 }, async () => {
    await scribe.put('a', { status: 'running' });
    const mirrors = await Promise.all(
      Array.from({ length: 1000 }, (_, index) => Mirror.follow(hub, index % 2 ? { ids: ['a', `x${index}`] } : {}, scribe.seq)),
    );
    expect(hub.watchers).toBe(1000);
    expect(await scribe.consumers()).toBe(1);
    for (let index = 0; index < 50; index++) await scribe.put('a', { priority: index });
    await scribe.put('a', { status: 'completed' });
    await expect.poll(() => mirrors.filter((mirror) => mirror.jobs.get('a')?.status === 'completed').length).toBe(1000);
    expect(mirrors.flatMap((mirror) => mirror.complaints)).toEqual([]);
  });
});

describe('the hub', () => {
  test('reads the journal only while there are watchers', async () => {
    await scribe.put('a');
    await hub.close();
    hub = newHub(20);
    expect(await scribe.consumers()).toBe(0);
    const mirror = await Mirror.follow(hub);
    expect(await scribe.consumers()).toBe(1);
    mirror.watch?.stop();
    await expect.poll(() => scribe.consumers()).toBe(0);
    await scribe.put('a', { status: 'running' });
    await seesTheTruth(await Mirror.follow(hub));
  });

  test('refuses more watchers than it can bear', { timeout: 60_000 }, async () => {
    await scribe.put('a');
    await Promise.all(Array.from({ length: LIMITS.watchersPerGateway }, () => hub.watch({}, scribe.seq, () => undefined)));
    await expect(hub.watch({}, undefined, () => undefined)).rejects.toMatchObject({ code: 'overloaded' });
  });

  test('says so when the JobManager or the journal is not there', async () => {
    const other = new WatchHub({ nc, prefix: 'nothing', client: scribe.client });
    await expect(other.watch({}, undefined, () => undefined)).rejects.toMatchObject({ code: 'unavailable' });
    await other.close();
    await hub.close();
    await expect(hub.watch({}, undefined, () => undefined)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

async function removeStreams({ dir }: TestNats): Promise<void> {
  await rm(`${dir}/jetstream`, { recursive: true });
}
