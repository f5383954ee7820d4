import { BandwidthWatch } from './bandwidth-watch.js';
import { CarryForward } from './carry-forward.js';
import type { Disks } from './disks.js';
import { Draft } from './draft.js';
import { JobError } from './errors.js';
import { claimAnswer, execute, type ManagerView, type Outcome } from './execute.js';
import { JobTable } from './job-table.js';
import { HeldClock } from './held-clock.js';
import type { RecordDraft } from './journal.js';
import { Leadership } from './leadership.js';
import { LIMITS } from './limits.js';
import type { ManagerInput } from './manager-input.js';
import { statsOf } from './manager-stats.js';
import { Mailbox, type Ask } from './mailbox.js';
import { ParkedClaims } from './parked-claims.js';
import * as refusals from './refusals.js';
import { READ_VERBS } from './requests.js';
import { claim, expire, timesUp } from './verbs/attempts.js';
import { reshare } from './verbs/bandwidth.js';
import { Leases, type VerbContext } from './verbs/context.js';
import { runDue } from './verbs/schedule-due.js';

/** An ask that was decided. Its answer, a refusal too, is held back until the journal has the changes that it was decided upon. */
interface Decided {
  ask: Ask;
  answer: string | JobError;
}

/** After an append that was refused the manager's own work waits this long, so that a full journal is not asked without end, and asks get their turn. */
const REST_MS = 1000;

/** What is being appended: `settle` makes it true, `drop` undoes it. */
interface Pending {
  record: RecordDraft;
  settle(seq: number): void;
  drop(): void;
  /** An append of it had an unknown outcome: a copy may still be under way. */
  mayBeStored?: boolean;
}

/**
 * What the JobManager knows and does in each state of its machine
 * (`job-manager.ts` says when). Nothing else touches the job table.
 */
export class ManagerState {
  readonly table = new JobTable();
  readonly mailbox = new Mailbox();
  readonly parked = new ParkedClaims();
  readonly leases = new Leases();
  readonly disks = new Map<string, Disks>();
  readonly counters = { asks: 0, commits: 0, changes: 0, errors: {} as Record<string, number> };
  readonly input: ManagerInput;
  readonly carry: CarryForward;
  readonly lead: Leadership;
  readonly wall: HeldClock;

  draining = false;
  pending: Pending | null = null;
  appendError: Error | null = null;

  readonly #bandwidth: BandwidthWatch;
  #decided: Decided[] = [];
  #restUntilMs = -Infinity;
  #hasCarried = false; // asks that wait come before the next carry
  readonly startedAt: string;

  constructor(input: ManagerInput) {
    this.input = input;
    this.#bandwidth = new BandwidthWatch(input.settings.bandwidth);
    this.lead = new Leadership(input);
    this.wall = new HeldClock(input.clock.nowMs);
    this.carry = new CarryForward(this.table, input.settings);
    this.startedAt = new Date(input.clock.nowMs()).toISOString();
  }

  /** Puts an ask in the mailbox, or refuses it at once. */
  receive(ask: Ask): void {
    this.counters.asks += 1;
    if (this.draining) this.refuse(ask, refusals.shuttingDown());
    else if (!this.mailbox.push(ask)) this.refuse(ask, refusals.mailboxFull(this.mailbox));
  }

  get hasWork(): boolean {
    const nowMs = this.input.clock.monotonicMs();
    return (
      this.mailbox.messages > 0 ||
      (this.parked.size > 0 && this.parked.canRun(this.table.queue, this.wall.nowIso())) ||
      (!this.#rests &&
        (this.leases.isDue(nowMs) ||
          this.#bandwidth.isDue(nowMs) ||
          this.table.isDue(this.wall.nowIso()) ||
          this.carry.isDue(this.lead.journal, this.lead.seq)))
    );
  }

  /** Runs what waits against a draft, in the order of arrival, as far as one record takes it. */
  decideRound(): void {
    const isTheirTurn = this.#rests || (this.#hasCarried && this.mailbox.messages > 0);
    const carried = isTheirTurn ? null : this.carry.next(this.lead.journal, this.lead.seq);
    this.#hasCarried = carried !== null;
    if (carried) {
      this.pending = { record: this.#record('carried', carried.lines), settle: (seq) => carried.settle(seq), drop: () => undefined };
      return;
    }
    let draft = new Draft(this.table, this.lead.seq + 1);
    const context = this.#context(draft);
    if (!this.#rests) {
      if (this.leases.isDue(context.monotonicMs)) expire(context);
      timesUp(context);
      runDue(context);
      if (this.#bandwidth.isDue(context.monotonicMs)) reshare(context);
    }
    const deadlineNowMs = this.input.clock.monotonicMs();
    while (this.#decided.length < LIMITS.roundMessages) {
      const ask = this.mailbox.peek();
      if (!ask) break;
      if (ask.deadlineMs <= deadlineNowMs) {
        this.refuse(ask, refusals.timedOut());
      } else if (!this.#decide(ask, context)) {
        if (!draft.isEmpty) break;
        this.refuse(ask, refusals.tooLargeForRecord());
        draft = new Draft(this.table, this.lead.seq + 1);
        context.draft = draft;
      }
      this.mailbox.shift();
    }
    this.#serveParked(context);
    if (!draft.isEmpty) this.#prepare(draft);
  }

  /** Whether the answers of this round need a fresh proof that nobody else leads. */
  get needsConfirmation(): boolean {
    return this.#decided.length > 0 && !this.lead.isProved;
  }

  /** The journal has the record: its changes are true, and the answers go out. */
  settle(): void {
    const { pending } = this;
    this.pending = null;
    if (pending) {
      this.lead.seq += 1;
      this.lead.journal.bytes += pending.record.lines.reduce((sum, line) => sum + line.length + 1, 200);
      this.counters.commits += 1;
      this.counters.changes += pending.record.lines.length;
      pending.settle(this.lead.seq);
    }
    const decided = this.#decided;
    this.#decided = [];
    for (const { ask, answer } of decided) {
      if (answer instanceof JobError) this.refuse(ask, answer);
      else ask.resolve(answer);
    }
  }

  /** The journal has not got the record, and will not get it: nothing has changed. */
  drop(error: JobError): void {
    this.pending?.drop();
    this.pending = null;
    this.#restUntilMs = this.input.clock.monotonicMs() + REST_MS;
    const decided = this.#decided;
    this.#decided = [];
    for (const { ask } of decided) this.refuse(ask, error);
  }

  /** Answers what may wait no longer. */
  tick(): void {
    const nowMs = this.input.clock.monotonicMs();
    for (const ask of this.mailbox.takeExpired(nowMs)) this.refuse(ask, refusals.timedOut());
    for (const ask of this.parked.takeExpired(nowMs)) ask.resolve(claimAnswer(this.input.settings, 'null'));
    this.table.forgetKeys(this.input.clock.nowMs());
    const late = this.#decided.filter(({ ask }) => ask.deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.#decided = this.#decided.filter(({ ask }) => ask.deadlineMs > nowMs);
    for (const { ask, answer } of late) {
      this.refuse(ask, changesNothing(ask, answer) ? refusals.timedOut() : refusals.unknownOutcome());
    }
  }

  /** Nothing is served any more: whoever waits is told. */
  refuseAll(failure: string | null): void {
    const error = refusals.notServing(failure);
    for (const { ask, answer } of this.#decided)
      this.refuse(ask, changesNothing(ask, answer) ? error : refusals.stoppedWhileStoring(failure));
    this.#decided = [];
    for (const ask of this.mailbox.takeAll()) this.refuse(ask, error);
    for (const ask of this.parked.takeAll()) ask.resolve(claimAnswer(this.input.settings, 'null'));
  }

  async purge(): Promise<void> {
    const below = this.carry.takePurge();
    if (below === null) return;
    await this.input.journal.purgeBelow(below);
    const { firstSeq, bytes } = await this.input.journal.state();
    this.lead.journal = { ...this.lead.journal, firstSeq, bytes };
    this.input.log(`journal: carried forward and purged below ${below}, ${bytes} bytes left`);
  }

  record(kind: 'epoch' | 'closed'): RecordDraft {
    return this.#record(kind, []);
  }

  /** Takes the ask into this round; false when the record would become too large with it. */
  #decide(ask: Ask, context: VerbContext): boolean {
    const mark = context.draft.mark();
    let outcome: Outcome;
    try {
      outcome = execute(ask.command, context, this.#view);
    } catch (error) {
      context.draft.rollbackTo(mark);
      this.#decided.push({ ask, answer: error instanceof JobError ? error : this.#defect(error) });
      return true;
    }
    if (context.draft.bytes > this.input.settings.recordBytesMax && context.draft.mark() > mark) {
      context.draft.rollbackTo(mark);
      return false;
    }
    if (outcome === 'wait') this.#park(ask);
    else this.#decided.push({ ask, answer: outcome.answer });
    return true;
  }

  #park(ask: Ask): void {
    if (!this.parked.push(ask, this.input.clock.monotonicMs())) this.refuse(ask, refusals.tooManyClaims());
  }

  #serveParked(context: VerbContext): void {
    for (const { ask, body } of this.parked.candidates(this.table.queue, context.nowIso)) {
      const entry = claim(context, body);
      if (!entry) continue;
      this.parked.remove(ask);
      this.#decided.push({ ask, answer: claimAnswer(context, entry.text) });
    }
  }

  #prepare(draft: Draft): void {
    this.pending = {
      record: { ...this.#record('commit', draft.lines(), draft.bandwidth), tells: draft.tells },
      settle: (seq) => {
        const { deleted, skipped } = draft.settle(seq);
        if (deleted.length > 0) this.input.onDeleted(deleted);
        for (const { schedule, skip } of skipped) this.input.log(`schedule ${schedule.id}: no run at ${skip.at}: ${skip.why}`);
      },
      drop: () => draft.rollbackTo(0),
    };
  }

  #record(kind: RecordDraft['kind'], lines: readonly string[], bandwidth = this.table.bandwidth): RecordDraft {
    return { kind, epoch: this.lead.epoch, commit: this.input.newCommitId(), at: this.wall.nowIso(), bandwidth, lines };
  }

  /** Nothing is appended now but what somebody asks for. */
  get #rests(): boolean {
    return this.input.clock.monotonicMs() < this.#restUntilMs;
  }

  #context(draft: Draft): VerbContext {
    const { newId, random, digest, nextTime, settings, clock } = this.input;
    const nowMs = this.wall.nowMs();
    return {
      draft,
      leases: this.leases,
      disks: this.disks,
      nowMs,
      nowIso: new Date(nowMs).toISOString(),
      newId: () => newId(nowMs),
      random,
      digest,
      nextTime,
      monotonicMs: clock.monotonicMs(),
      bandwidthWatch: this.#bandwidth,
      // Not the first: an object that begins as a copy of another costs ten times as much here.
      ...settings,
      bandwidth: this.#bandwidth.now(this.table.bandwidth, nowMs),
    };
  }

  readonly #view: ManagerView = {
    seq: () => this.lead.seq,
    stats: () => statsOf(this),
  };

  refuse(ask: Ask, error: JobError): void {
    this.counters.errors[error.code] = (this.counters.errors[error.code] ?? 0) + 1;
    ask.reject(error);
  }

  #defect(error: unknown): JobError {
    const id = this.input.newCommitId();
    this.input.log(`defect ${id}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return refusals.defect(id);
  }
}

const changesNothing = (ask: Ask, answer: Decided['answer']): boolean => answer instanceof JobError || READ_VERBS.has(ask.command.verb);
