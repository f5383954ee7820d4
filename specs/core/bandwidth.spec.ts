import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limitAt, parseBandwidth, type Bandwidth } from '../../actors/bandwidth.js';
import type { ManagerSettings } from '../../actors/manager-input.js';
import { startAskedManager, type AskedManager } from '../support/asked-manager.js';

const M = 1_000_000;
const LIMIT = 20 * M;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

describe('a bandwidth limit in words', () => {
  const read = (text: string) => parseBandwidth(text, 'LIMIT', 'UTC');
  const all = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

  test.each<[string, Bandwidth]>([
    ['20M', 20 * M],
    ['off', 0],
    ['1.5MiB', 1_572_864],
  ])('%s', (text, limit) => expect(read(text)).toEqual(limit));

  test('by time of day, of these days, in a time zone', () => {
    expect(read('mon-fri 08:00 5M, sat-sun 00:00 off,18:00 off Europe/Berlin')).toEqual({
      timeZone: 'Europe/Berlin',
      steps: [
        { from: '08:00', bytesPerSecond: 5 * M, days: all.slice(0, 5) },
        { from: '00:00', bytesPerSecond: 0, days: all.slice(5) },
        { from: '18:00', bytesPerSecond: 0, days: all },
      ],
    });
    expect(read('sat-mon 08:00 5M')).toMatchObject({ timeZone: 'UTC', steps: [{ days: ['mon', 'sat', 'sun'] }] });
  });

  test.each(['', 'fast', '-1', '1023', '08:00', '8:00 5M', '25:00 5M', '08:00 5M Mars/Base', 'UTC 08:00 5M', '08:00 5M UTC, 09:00 1M', 'fry 08:00 5M'])(
    '%j is refused and named',
    (text) => expect(() => read(text)).toThrow(/^LIMIT/),
  ); // prettier-ignore

  test('holds from its time on, as the clocks of its zone show, round the week', () => {
    const limit = read('mon-fri 08:00 5M, mon-fri 18:00 10M, sat 00:00 off Europe/Berlin');
    const at = (iso: string) => limitAt(limit, Date.parse(iso));
    expect(at('2026-07-01T05:59:59Z')).toBe(10 * M);
    expect(at('2026-07-01T06:00:00Z')).toBe(5 * M);
    expect(at('2026-01-07T06:30:00Z')).toBe(10 * M);
    expect(at('2026-07-04T12:00:00Z')).toBe(0);
    expect(at('2026-07-06T05:00:00Z')).toBe(0);
    expect(at('2026-07-06T07:00:00Z')).toBe(5 * M);
  });

  test('is that of the last step before, whatever the steps', () => {
    const step = fc.record({
      from: fc.tuple(fc.nat(23), fc.nat(59)).map((pair) => pair.map((n) => String(n).padStart(2, '0')).join(':')),
      bytesPerSecond: fc.integer({ min: 1024, max: M }),
      days: fc.subarray(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const, { minLength: 1 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), fc.nat(7 * 24 * 60), (steps, minute) => {
        const monday = Date.parse('2026-11-23T00:00:00Z');
        const isAt = (ago: number) => {
          const clock = new Date(monday + (minute - ago) * MINUTE).toISOString().slice(11, 16);
          const day = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][new Date(monday + (minute - ago) * MINUTE).getUTCDay()];
          return steps.findLast(({ from, days }) => from === clock && (days as string[]).includes(day ?? ''));
        };
        let ago = 0;
        while (!isAt(ago)) ago += 1;
        expect(limitAt({ timeZone: 'UTC', steps }, monday + minute * MINUTE)).toBe(isAt(ago)?.bytesPerSecond);
      }),
      { numRuns: 50 },
    );
  });
});

/** A manager whose transfers are run by hand. */
class Hand {
  readonly manager: AskedManager;
  /** Attempts under way. */
  readonly held = new Map<string, number>();
  readonly #own = new Map<string, number>();
  #made = 0;

  constructor(manager: AskedManager) {
    this.manager = manager;
  }

  static async start(bandwidth: Bandwidth = LIMIT, more: Partial<ManagerSettings> = {}): Promise<Hand> {
    return new Hand(await startAskedManager({ bandwidth, leaseMs: 1000 * MINUTE, ...more }));
  }

  async create(bandwidthLimit = 0): Promise<string> {
    const number = (this.#made += 1);
    const { id } = await this.manager.ask('create', {
      type: 'rsync',
      source: `/from/${number}/`,
      destination: `/to/${number}/`,
      options: { bandwidthLimit },
    });
    return id;
  }

  /** Takes the next job, as a worker would. Answers its share. */
  async claim(): Promise<number | undefined> {
    const { job } = await this.manager.ask('claim', { worker: 'w', types: ['rsync'] });
    if (!job) throw new Error('nothing to claim');
    this.held.set(job.id, job.attempt);
    return job.bandwidthShare;
  }

  async begin(bandwidthLimit = 0): Promise<string> {
    const id = await this.create(bandwidthLimit);
    await this.claim();
    this.#own.set(id, bandwidthLimit || Infinity);
    return id;
  }

  /** What those that run could use. */
  get usable(): number {
    return [...this.held.keys()].reduce((sum, id) => sum + (this.#own.get(id) ?? 0), 0);
  }

  job = (id: string) => this.manager.ask('get', { id });
  end = async (id: string) => {
    await this.manager.ask('complete', { id, attempt: this.held.get(id) });
    this.held.delete(id);
  };

  /** Those that are to stop let go, and are taken again. Answers how many there were. */
  async letGo(): Promise<number> {
    const stopped: string[] = [];
    for (const id of this.held.keys()) if ((await this.job(id)).wanted === 'stop') stopped.push(id);
    for (const id of stopped) await this.manager.ask('release', { id, attempt: this.held.get(id) });
    for (let taken = 0; taken < stopped.length; taken += 1) await this.claim();
    return stopped.length;
  }

  /** Until nobody is to stop any more. Answers how often a transfer was stopped. */
  async settled(): Promise<number> {
    let stops = 0;
    for (let rounds = 0; rounds < 50; rounds += 1) {
      await this.manager.turn(SECOND);
      const now = await this.letGo();
      if (now === 0) return stops;
      stops += now;
    }
    throw new Error('transfers are stopped without end');
  }

  async shares(): Promise<Record<string, number | null>> {
    const { shares } = await this.manager.ask('bandwidth', {});
    return Object.fromEntries(shares.map(({ id, bytesPerSecond }) => [id, bytesPerSecond]));
  }

  async set(limit: Bandwidth | null): Promise<void> {
    await this.manager.ask('set_bandwidth', { limit });
  }
}

describe('the bandwidth limit in all', () => {
  test('is all for one transfer, and half of it for each of two: the first is stopped once to make room', async () => {
    const hand = await Hand.start();
    const a = await hand.begin();
    expect(await hand.shares()).toEqual({ [a]: LIMIT });
    const b = await hand.begin();
    expect(await hand.job(b)).toMatchObject({ bandwidthShare: LIMIT / 2, wanted: 'run' });
    expect(await hand.job(a)).toMatchObject({ wanted: 'stop' });
    expect(await hand.settled()).toBe(1);
    expect(await hand.shares()).toEqual({ [a]: LIMIT / 2, [b]: LIMIT / 2 });
    const { history } = await hand.manager.ask('history', { id: a });
    expect(history.map(({ verb }) => verb)).toEqual(['create', 'claim', 'stop', 'release', 'claim']);
    expect(history.map(({ note }) => note)).toContain(`it makes room for job ${b} within the bandwidth limit`);
    expect(await hand.job(a)).toMatchObject({ attempt: 2, retries: 0 });
  });

  test('when one ends the other gets its part, after a quiet minute and not before', async () => {
    const hand = await Hand.start();
    const [a, b] = [await hand.begin(), await hand.begin()];
    await hand.settled();
    await hand.end(b);
    await hand.manager.turn(SECOND);
    await hand.manager.turn(50 * SECOND);
    expect(await hand.job(a)).toMatchObject({ wanted: 'run', bandwidthShare: LIMIT / 2 });
    await hand.manager.turn(15 * SECOND);
    expect(await hand.settled()).toBe(1);
    expect(await hand.shares()).toEqual({ [a]: LIMIT });
    await hand.manager.turn(10 * MINUTE);
    expect(await hand.settled()).toBe(0);
  });

  test('one that is nearly done is not stopped to get more', async () => {
    const hand = await Hand.start();
    const [a, b] = [await hand.begin(), await hand.begin()];
    await hand.settled();
    await hand.end(b);
    await hand.manager.ask('progress', { id: a, attempt: 2, phase: 'transferring', progress: { etaSeconds: 30 } });
    await hand.manager.turn(SECOND);
    await hand.manager.turn(2 * MINUTE);
    expect(await hand.settled()).toBe(0);
  });

  test('short jobs that come and go do not stop a long one again and again', async () => {
    const hand = await Hand.start();
    const long = await hand.begin();
    for (let round = 0; round < 20; round += 1) {
      const short = await hand.begin();
      await hand.settled();
      await hand.end(short);
      await hand.manager.turn(5 * SECOND);
    }
    expect(await hand.job(long)).toMatchObject({ attempt: 2, bandwidthShare: LIMIT / 2 });
  });

  test('what one leaves by its own limit is for the others, and nobody is stopped for it', async () => {
    const hand = await Hand.start();
    const [a, b] = [await hand.begin(5 * M), await hand.begin()];
    expect(await hand.settled()).toBe(0);
    expect(await hand.shares()).toEqual({ [a]: 5 * M, [b]: 15 * M });
  });

  test('by time of day: what runs is stopped when the limit falls, and goes on without one when it is off', async () => {
    const noon = Date.parse('2027-01-20T12:00:00Z');
    const hand = await Hand.start(parseBandwidth('08:00 20M, 18:00 4M, 22:00 off', 'limit', 'UTC'));
    hand.manager.clock.ms = noon;
    const [a, b] = [await hand.begin(), await hand.begin()];
    await hand.settled();
    expect(await hand.shares()).toEqual({ [a]: 10 * M, [b]: 10 * M });
    hand.manager.clock.ms = noon + 6 * 60 * MINUTE - SECOND;
    expect(await hand.settled()).toBe(2);
    expect(await hand.shares()).toEqual({ [a]: 2 * M, [b]: 2 * M });
    hand.manager.clock.ms = noon + 10 * 60 * MINUTE;
    expect(await hand.settled()).toBe(2);
    expect(await hand.shares()).toEqual({ [a]: null, [b]: null });
    expect((await hand.job(a)).bandwidthShare).toBeUndefined();
  });

  test('is changed while transfers run, outlives a restart and what is purged, and goes back to the settings', async () => {
    const hand = await Hand.start(LIMIT, { carryMinBytes: 20_000 });
    const a = await hand.begin();
    await hand.set(2 * M);
    expect(await hand.settled()).toBe(1);
    expect(await hand.shares()).toEqual({ [a]: 2 * M });
    for (let done = 0; done < 200; done += 1) {
      await hand.manager.ask('update', { id: a, name: `name ${done}` });
      await hand.manager.turn(SECOND);
    }
    const { records } = hand.manager.journal;
    expect(records[0]?.seq).toBeGreaterThan(20);
    const after = new Hand(await hand.manager.restart());
    expect(await after.manager.ask('bandwidth', {})).toMatchObject({ limit: 2 * M, from: 'request', bytesPerSecond: 2 * M });
    await after.set(null);
    expect(await after.manager.ask('bandwidth', {})).toMatchObject({ limit: LIMIT, from: 'settings' });
    const last = await after.manager.restart();
    expect(await last.ask('bandwidth', {})).toMatchObject({ limit: LIMIT, from: 'settings' });
  });

  test('that could not be stored is not set', async () => {
    const hand = await Hand.start();
    hand.manager.journal.fates.push('storage_full');
    await expect(hand.set(M)).rejects.toMatchObject({ code: 'storage_failed' });
    expect(await hand.manager.ask('bandwidth', {})).toMatchObject({ limit: LIMIT, from: 'settings' });
  });

  test('of transfers that compare or delete nothing is taken, and own workers have none', async () => {
    const hand = await Hand.start();
    const a = await hand.begin();
    await hand.manager.ask('progress', { id: a, attempt: 1, phase: 'verifying' });
    const b = await hand.begin();
    expect(await hand.shares()).toEqual({ [b]: LIMIT });
    expect(await hand.settled()).toBe(0);
    await hand.manager.ask('create', { type: 'probe' });
    const { job } = await hand.manager.ask('claim', { worker: 'w', types: ['probe'] });
    expect(job).not.toHaveProperty('bandwidthShare');
  });

  test('is never broken for long, is used, and costs few stops, whatever begins, ends and changes', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('begin' as const), limit: fc.constantFrom(0, 0, 0, 100_000, 3 * M, 50 * M) }),
      fc.record({ do: fc.constant('end' as const), which: fc.nat(20) }),
      fc.record({ do: fc.constant('set' as const), limit: fc.constantFrom(0, 2048, M, 7 * M, 20 * M, 100 * M) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(SECOND, 10 * SECOND, 2 * MINUTE) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const hand = await Hand.start();
        let total = LIMIT;
        for (const one of steps) {
          let allowed = 0;
          if (one.do === 'begin') {
            await hand.begin(one.limit);
            allowed = 1;
          } else if (one.do === 'end') {
            const id = [...hand.held.keys()][one.which];
            if (id !== undefined) await hand.end(id);
          } else if (one.do === 'set') {
            await hand.set(one.limit);
            total = one.limit;
            allowed = hand.held.size;
          } else await hand.manager.turn(one.ms);
          // After a quiet time each may be stopped once to get more.
          expect(await hand.settled()).toBeLessThanOrEqual(one.do === 'wait' ? hand.held.size : allowed);
          if (total === 0) continue;
          const shares = Object.values(await hand.shares());
          const sum = shares.reduce<number>((all, share) => all + (share ?? Infinity), 0);
          expect(sum).toBeLessThanOrEqual(Math.max(total, shares.length * 1024));
        }
        await hand.manager.turn(2 * MINUTE);
        for (let rounds = 0; rounds < 5; rounds += 1) {
          await hand.settled();
          await hand.manager.turn(2 * MINUTE);
        }
        expect(await hand.settled()).toBe(0);
        const used = Object.values(await hand.shares()).reduce<number>((all, share) => all + (share ?? Infinity), 0);
        expect(used).toBeGreaterThanOrEqual(Math.min(total || Infinity, hand.usable) / 2);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
