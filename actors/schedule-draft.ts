import type { StoredKey } from './journal.js';
import type { Schedule, Skip } from './schedule.js';
import { scheduleEntry, type ScheduleEntry, type ScheduleTable } from './schedule-table.js';

/** A schedule that the round changed, with the runs that the round let go by. */
interface Changed {
  entry: ScheduleEntry;
  skips: readonly Skip[];
}

interface Tombstone {
  key: StoredKey | undefined;
  untilMs: number;
}

/** What a round changes of the schedules: a part of its draft, undone and stored with it. */
export class ScheduleDraft {
  readonly #table: ScheduleTable;
  readonly #onChange: (undo: () => void, text: string) => void;
  readonly #changed = new Map<string, Changed>();
  readonly #tombstones = new Map<string, Tombstone>();

  /** `onChange` gets how each change is undone, and text that is about as long as it makes the record. */
  constructor(table: ScheduleTable, onChange: (undo: () => void, text: string) => void) {
    this.#table = table;
    this.#onChange = onChange;
  }

  get isEmpty(): boolean {
    return this.#changed.size === 0 && this.#tombstones.size === 0;
  }

  put(schedule: Schedule, { key, skip }: { key?: StoredKey | undefined; skip?: Skip } = {}): ScheduleEntry {
    const { id } = schedule;
    const before = this.#table.get(id);
    const changed = this.#changed.get(id);
    const entry = scheduleEntry(schedule, key ?? before?.key, before?.sinceSeq ?? 0);
    const skips = [...(changed?.skips ?? []), ...(skip ? [skip] : [])];
    this.#onChange(() => this.#restore(id, before, changed), putLine(entry, skip ? [skip] : []));
    this.#changed.set(id, { entry, skips });
    this.#table.put(entry);
    return entry;
  }

  delete(id: string, keyUntilMs: number): void {
    const before = this.#table.get(id);
    const changed = this.#changed.get(id);
    const tombstone = { key: before?.key, untilMs: keyUntilMs };
    this.#onChange(
      () => {
        this.#tombstones.delete(id);
        this.#restore(id, before, changed);
      },
      deleteLine(id, tombstone),
    );
    this.#changed.delete(id);
    this.#tombstones.set(id, tombstone);
    this.#table.delete(id);
  }

  /** What an idempotency key stands for: a schedule that is there, or one that this round deleted. */
  findKey(name: string): { id: string; digest: string } | undefined {
    for (const [id, { key }] of this.#tombstones) if (key?.[0] === name) return { id, digest: key[1] };
    return this.#table.findKey(name);
  }

  lines(): string[] {
    return [
      ...[...this.#changed.values()].map(({ entry, skips }) => putLine(entry, skips)),
      ...[...this.#tombstones].map(([id, tombstone]) => deleteLine(id, tombstone)),
    ];
  }

  /** The journal has it. Answers the keys of what is gone, and the runs that did not happen. */
  settle(seq: number): { gone: (Tombstone & { id: string })[]; skipped: { schedule: Schedule; skip: Skip }[] } {
    for (const { entry } of this.#changed.values()) entry.sinceSeq = seq;
    return {
      gone: [...this.#tombstones].map(([id, tombstone]) => ({ id, ...tombstone })),
      skipped: [...this.#changed.values()].flatMap(({ entry: { schedule }, skips }) => skips.map((skip) => ({ schedule, skip }))),
    };
  }

  #restore(id: string, before: ScheduleEntry | undefined, changed: Changed | undefined): void {
    if (before) this.#table.put(before);
    else this.#table.delete(id);
    if (changed) this.#changed.set(id, changed);
    else this.#changed.delete(id);
  }
}

/** One line of a record: the whole schedule, and the runs that did not happen. */
export function putLine({ text, key }: ScheduleEntry, skips: readonly Skip[] = []): string {
  const stored = key ? `,"key":${JSON.stringify(key)}` : '';
  const skipped = skips.length > 0 ? `,"skips":${JSON.stringify(skips)}` : '';
  return `{"schedule":${text}${stored}${skipped}}`;
}

const deleteLine = (id: string, { key, untilMs }: Tombstone): string =>
  key ? `{"delSchedule":"${id}","key":${JSON.stringify(key)},"until":${untilMs}}` : `{"delSchedule":"${id}"}`;
