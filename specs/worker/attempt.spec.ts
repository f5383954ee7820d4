import { describe, expect, it } from 'vitest';
import { LEASE_LOW } from '../../actors/attempt-setup.js';
import { JobError } from '../../actors/errors.js';
import { LEASE_MS, VERIFIED, pass, settle, startAttempt } from './simulated.js';

const COPIED = { filesTransferred: 2, bytesTransferred: 100, warnings: ['one file vanished'] };

describe('An attempt', () => {
  it('goes through its phases and is complete with the totals of the copy, its warnings and its verification', async () => {
    const { steps, phase, toTransfer } = await startAttempt({ verify: true });
    expect(phase()).toBe('preflight');
    await toTransfer();
    expect(phase()).toBe('transferring');
    steps.transferGate.open(COPIED);
    await settle();
    expect(phase()).toBe('verifying');
    expect(steps.reports).toEqual([]);
    steps.verifyGate.run?.onProgress({ percent: 3, bytesTransferred: 3 });
    steps.verifyGate.open(VERIFIED);
    await settle();
    expect(steps.reports).toMatchObject([
      {
        verb: 'complete',
        progress: { percent: 100, bytesTransferred: 100, bytesTotal: 100, filesTransferred: 2, filesTotal: 2 },
        warnings: COPIED.warnings,
        verification: VERIFIED,
      },
    ]);
    expect(steps).toMatchObject({ ended: true, lost: null });
  });

  it('is not verified when nobody asked for it', async () => {
    const { steps, toTransfer } = await startAttempt();
    await toTransfer();
    steps.transferGate.open(COPIED);
    await settle();
    expect(steps.reports).toMatchObject([{ verb: 'complete', verification: null }]);
  });

  it('starts each phase with no progress and counts what changed', async () => {
    const { steps, actor, progress, toTransfer } = await startAttempt();
    const before = actor.getSnapshot().context.changes;
    await toTransfer();
    steps.transferGate.run?.onProgress({ percent: 10, bytesTransferred: 10 });
    steps.transferGate.run?.onProgress({ percent: 20 });
    expect(progress()).toMatchObject({ percent: 20, bytesTransferred: 10, bytesTotal: null });
    expect(actor.getSnapshot().context.changes).toBe(before + 4);
  });

  it('that fails is reported with its cause and the last progress', async () => {
    const { steps, toTransfer } = await startAttempt();
    await toTransfer();
    steps.transferGate.run?.onProgress({ percent: 42 });
    steps.transferGate.fail(new Error('no space'));
    await settle();
    expect(steps.reports).toMatchObject([{ verb: 'fail', error: { code: 'disk_full', message: 'no space' }, progress: { percent: 42 } }]);
  });

  it.each(['pause', 'cancel'] as const)('of which a %s is wanted is given back only when its engine has ended', async (wanted) => {
    const { steps, renew, toTransfer } = await startAttempt();
    await toTransfer();
    renew(wanted);
    await settle();
    expect(steps.transferGate.aborted).toBe(true);
    expect(steps.reports).toEqual([]);
    steps.transferGate.fail(new Error('stopped'));
    await settle();
    expect(steps.reports).toEqual([{ verb: 'release', reason: wanted }]);
  });

  it('runs nothing when a cancel is wanted from the start', async () => {
    const { steps } = await startAttempt({}, (prepared) => (prepared.wanted = 'cancel'));
    expect(steps.preflightGate.run).toBeNull();
    expect(steps.reports).toEqual([{ verb: 'release', reason: 'cancel' }]);
  });

  it('runs nothing when its lease cannot be confirmed', async () => {
    const { steps } = await startAttempt({}, (prepared) => (prepared.beginError = new JobError('unavailable', 'No manager.')));
    expect(steps.preflightGate.run).toBeNull();
    expect(steps.reports).toEqual([{ verb: 'release', reason: 'No manager.' }]);
  });

  it('that is only given back runs nothing', async () => {
    const { steps } = await startAttempt({ giveBack: 'the worker was restarted' });
    expect(steps.preflightGate.run).toBeNull();
    expect(steps.reports).toEqual([{ verb: 'release', reason: 'the worker was restarted' }]);
  });

  it('that was whole before the stop is complete', async () => {
    const { steps, renew, toTransfer } = await startAttempt();
    await toTransfer();
    renew('pause');
    steps.transferGate.open(COPIED);
    await settle();
    expect(steps.reports).toMatchObject([{ verb: 'complete' }]);
  });

  it('that is stopped before its verification is not complete', async () => {
    const { steps, renew, toTransfer } = await startAttempt({ verify: true });
    await toTransfer();
    renew('pause');
    steps.transferGate.open(COPIED);
    await settle();
    expect(steps.reports).toEqual([{ verb: 'release', reason: 'pause' }]);
  });
});

describe('The lease of an attempt', () => {
  it('stops the engine well before it ends when it is not renewed', async () => {
    const { steps, clock, toTransfer } = await startAttempt();
    await toTransfer();
    await pass(clock, LEASE_MS * LEASE_LOW - 1);
    expect(steps.transferGate.aborted).toBe(false);
    await pass(clock, 1);
    expect(steps.transferGate.aborted).toBe(true);
    steps.transferGate.fail(new Error('stopped'));
    await settle();
    expect(steps.reports).toEqual([{ verb: 'release', reason: 'no answer from the job manager' }]);
  });

  it('goes on from the moment when the renewal was sent, not from its answer', async () => {
    const { steps, clock, actor, toTransfer } = await startAttempt();
    await toTransfer();
    const sentAt = steps.now();
    await pass(clock, 3000);
    actor.send({ type: 'renewed', sentAt, leaseMs: LEASE_MS, wanted: 'run' });
    await pass(clock, LEASE_MS * LEASE_LOW - 3000);
    expect(steps.transferGate.aborted).toBe(true);
  });

  it('lets the engine run for as long as it is renewed', async () => {
    const { steps, clock, renew, toTransfer } = await startAttempt();
    await toTransfer();
    for (let round = 0; round < 10; round++) {
      await pass(clock, LEASE_MS / 2);
      renew();
    }
    expect(steps.transferGate.aborted).toBe(false);
  });

  it('that has passed forbids every report', async () => {
    const { steps, clock, toTransfer } = await startAttempt();
    await toTransfer();
    await pass(clock, LEASE_MS);
    steps.transferGate.open(COPIED);
    await settle();
    expect(steps.reports).toEqual([]);
    expect(steps.lost).toContain('lease');
    expect(steps.ended).toBe(true);
  });

  it('that ran out in a suspended process does not make a failure of the child that was ended meanwhile', async () => {
    const { steps, toTransfer } = await startAttempt();
    await toTransfer();
    steps.aheadMs = LEASE_MS * 0.9;
    steps.transferGate.fail(new Error('killed'));
    await settle();
    expect(steps.reports).toMatchObject([{ verb: 'release' }]);
  });

  it('that the manager gave to another ends the engine and forbids every report', async () => {
    const { steps, actor, toTransfer } = await startAttempt();
    await toTransfer();
    actor.send({ type: 'refused', why: 'The attempt 1 has expired.' });
    expect(steps.transferGate.aborted).toBe(true);
    expect(steps.ended).toBe(false);
    steps.transferGate.fail(new Error('stopped'));
    await settle();
    expect(steps.reports).toEqual([]);
    expect(steps).toMatchObject({ ended: true, lost: 'The attempt 1 has expired.' });
  });
});

describe('The report of an attempt', () => {
  const twice = [new JobError('unavailable', 'No manager.'), new JobError('outcome_unknown', 'No answer.')];

  it('is said again until the manager has it', async () => {
    const { steps, clock, toTransfer } = await startAttempt({}, (prepared) => (prepared.refusals = [...twice]));
    await toTransfer();
    steps.transferGate.open(COPIED);
    await settle();
    expect(steps.reports).toHaveLength(1);
    await pass(clock, 250);
    expect(steps.reports).toHaveLength(2);
    expect(steps.ended).toBe(false);
    await pass(clock, 500);
    expect(steps.reports).toHaveLength(3);
    expect(new Set(steps.reports.map(({ verb }) => verb))).toEqual(new Set(['complete']));
    expect(steps).toMatchObject({ ended: true, lost: null });
  });

  it('is given up when the lease has passed', async () => {
    const many = Array.from({ length: 100 }, () => new JobError('unavailable', 'No manager.'));
    const { steps, clock, toTransfer } = await startAttempt({}, (prepared) => (prepared.refusals = many));
    await toTransfer();
    steps.transferGate.open(COPIED);
    await pass(clock, LEASE_MS - 1);
    expect(steps.ended).toBe(false);
    await pass(clock, 1);
    const said = steps.reports.length;
    await pass(clock, LEASE_MS);
    expect(steps.reports).toHaveLength(said);
    expect(steps.lost).toContain('lease');
    expect(steps.ended).toBe(true);
  });
});
