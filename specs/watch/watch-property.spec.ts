import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { JOB_STATUSES } from '../../actors/job.js';
import { connectNats } from '../../src/nats/connection.js';
import { monitorOf } from '../../src/nats/connection-monitor.js';
import { WatchHub, type WatchFilter } from '../../src/nats/watch-hub.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { startProxy } from './cuttable-proxy.js';
import { Mirror, versionsOf } from './mirror.js';
import { Scribe } from './scribe.js';

let nats: TestNats;
let scribe: Scribe;

beforeAll(async () => {
  nats = await startTestNats();
  scribe = await Scribe.start(nats);
});

afterAll(async () => {
  await scribe.nc.close();
  await nats.stop();
});

const SLOTS = 4;
const slot = fc.nat({ max: SLOTS - 1 });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), slot, status: fc.constantFrom(...JOB_STATUSES) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('progress' as const), slot }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('carry and purge' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'mute' as const, 'mend' as const, 'join' as const, 'new gateway' as const, 'settle' as const),
    }),
  },
);
const FILTERS: WatchFilter[] = [{}, { status: ['running', 'queued'] }, { status: ['failed'] }];

test('whatever changes and breaks, no watcher loses or doubles a change', { timeout: 120_000 }, async () => {
  let round = 0;
  let bytes = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      round++;
      const proxy = await startProxy(nats.url);
      const nc = await connectNats({ ...nats.logins.gateway, url: proxy.url }, 'gateway');
      const newHub = (): WatchHub => new WatchHub({ nc, prefix: 'tallyman', client: scribe.client });
      let hub = newHub();
      const ids = Array.from({ length: SLOTS }, (_, index) => `r${round}s${index}g0`);
      let mirrors: Mirror[] = [];
      const join = async (): Promise<void> => {
        for (const filter of FILTERS) mirrors.push(await Mirror.follow(hub, filter));
      };
      const reconnect = async (): Promise<void> => {
        proxy.mend();
        await vi.waitFor(
          async () => {
            await nc.rtt();
            expect(monitorOf(nc).connected).toBe(true);
          },
          { timeout: 10_000, interval: 20 },
        );
      };
      const settle = async (): Promise<void> => {
        proxy.mend();
        for (const mirror of mirrors) {
          const fits = [...scribe.jobs.values()].filter((job) => mirror.filter.status?.includes(job.status) ?? true);
          await expect.poll(() => mirror.watch?.seq, { timeout: 20_000, interval: 5 }).toBe(scribe.seq);
          expect(mirror.state).toEqual(versionsOf(fits));
          expect(mirror.complaints).toEqual([]);
        }
      };
      try {
        await scribe.append('epoch', []);
        await join();
        for (const it of steps) {
          if (it.do === 'put') await scribe.put(ids[it.slot]!, { status: it.status });
          if (it.do === 'progress' && scribe.jobs.has(ids[it.slot]!)) await scribe.progress(ids[it.slot]!, { bytesTransferred: ++bytes });
          if (it.do === 'delete' && scribe.jobs.has(ids[it.slot]!)) {
            await scribe.del(ids[it.slot]!);
            // Ids are never used again.
            ids[it.slot] = `${ids[it.slot]}x`;
          }
          if (it.do === 'carry and purge') {
            await scribe.append(
              'carried',
              [...scribe.jobs.values()].map((put) => ({ put })),
            );
            await scribe.purgeBelow(scribe.seq);
          }
          if (it.do === 'cut') proxy.cut();
          if (it.do === 'mute') proxy.mute();
          if (it.do === 'mend') proxy.mend();
          if (it.do === 'settle') await settle();
          if (it.do === 'join') {
            await reconnect();
            await join();
          }
          if (it.do === 'new gateway') {
            await reconnect();
            const before = mirrors;
            await hub.close();
            hub = newHub();
            mirrors = await Promise.all(before.map((mirror) => mirror.moveTo(hub)));
          }
        }
        await settle();
      } finally {
        await hub.close();
        await nc.close();
        await proxy.close();
        for (const id of [...scribe.jobs.keys()]) await scribe.del(id);
      }
    }),
    { numRuns: 20 },
  );
});
