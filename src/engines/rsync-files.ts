import type { JobFailure } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { pathOfLatin1, type FileEntry } from '../file-record.js';
import type { Run, TransferTask } from './engine.js';
import type { ChildExit } from './process.js';
import { failedFileOf, isHarmless, vanishedFileOf } from './rsync-failures.js';
import type { RsyncNames } from './rsync-names.js';
import { unescapeName, type FileLine } from './rsync-output.js';

const SOME_FAILED = 23;
/** Exits after which rsync has looked at everything: what it itemized and did not complain of is there. */
const LOOKED_AT_ALL: readonly (number | null)[] = [0, SOME_FAILED, 24];
export const lookedAtAll = ({ code }: Pick<ChildExit, 'code'>): boolean => LOOKED_AT_ALL.includes(code);
const ROOM_EVERY = 1000;
/** `.name.XXXXXX` in the same folder, of a hidden file without a second dot, and the name cut when all is longer than a name may be. */
const TEMPORARY = /^(.*\/)?\.([^/]+)\.[A-Za-z0-9]{6}$/s;
const CUT_NAME_BYTES = 200;
const NOT_THERE = 'It is not in the source any more, or a pattern leaves it out now.';

/** What became of the files in one run of rsync. Names are latin1, a character for each byte. */
export class RsyncFiles {
  readonly #names: RsyncNames;
  readonly #task: TransferTask;
  readonly #transferred = new Map<string, number>();
  readonly #unchanged = new Map<string, { bytes: number; why: string | null }>();
  readonly #failed = new Map<string, string>();
  /** A mirror's deletions at the destination. */
  readonly #deleted: string[] = [];
  readonly #vanished = new Set<string>();
  readonly #special = new Set<string>();
  /** Of a run over given files: those that did not show up. */
  readonly #notSeen: Set<string>;
  readonly #errors: string[] = [];
  /** Files past the limit: only counted. */
  #beyond = 0;
  #unchangedBeyond = 0;
  /** Something was said that is of no single file. */
  #otherErrors = 0;

  constructor(names: RsyncNames, task: TransferTask) {
    this.#names = names;
    this.#task = task;
    this.#notSeen = new Set(task.only?.map((name) => name.toString('latin1')));
  }

  onItem({ change, type, bytes, flags, rawName }: FileLine): void {
    const name = this.#names.ofItem(rawName);
    this.#notSeen.delete(name.replace(/\/$/, ''));
    if (change === '*') this.#deleted.push(name);
    if (type !== 'd' && change === '.' && this.#task.options.listUnchanged) return this.#addUnchanged(name, bytes, flags);
    if (type === 'd' || !'<>ch'.includes(change)) return;
    if (this.#transferred.size < LIMITS.filesPerAttempt) this.#transferred.set(name, bytes);
    else this.#beyond++;
  }

  /** A line of stdout that is no item: special files that are left out are told there. */
  onOther(line: string): void {
    const name = /^skipping non-regular file "(.*)"$/s.exec(line)?.[1];
    if (name === undefined) return;
    this.#special.add(this.#names.ofItem(unescapeName(name)));
    this.#notSeen.delete(this.#names.ofItem(unescapeName(name)));
  }

  /** A line of stderr, in latin1. */
  onError(line: string): void {
    const vanished = vanishedFileOf(line);
    if (vanished !== null) this.#vanished.add(this.#names.ofError(true, vanished) ?? vanished);
    // Which file is meant may be told only when all items are known: they come by another pipe.
    else if (!isHarmless(line) && this.#errors.length <= LIMITS.filesPerAttempt) this.#errors.push(line);
  }

  /** Tells of every file, once rsync has ended; not of those that failed when another run tries them again. */
  async tell(exit: ChildExit, run: Run, isTriedAgain = false): Promise<void> {
    this.#settle();
    for (const name of [...this.#vanished, ...this.#failed.keys()]) {
      this.#transferred.delete(name);
      this.#unchanged.delete(name);
      this.#notSeen.delete(name);
    }
    let told = 0;
    for (const entry of this.#entries(exit)) {
      if (isTriedAgain && entry.outcome === 'failed') continue;
      run.file(entry);
      if (++told % ROOM_EVERY === 0) await run.roomForFiles();
    }
  }

  /** rsync has looked at everything, and complained of single files alone. Deletions are left to do then, by rsync or after it. */
  isAllElseDone(exit: ChildExit): boolean {
    const { deleteExtraneous, deleteSource } = this.#task.options;
    if (deleteExtraneous || deleteSource.mode !== 'never') return false;
    this.#settle();
    return exit.code === SOME_FAILED && this.#otherErrors === 0 && this.#failed.size > 0;
  }

  get warnings(): string[] {
    return [
      warning(this.#vanished, "of the source's files vanished before they could be copied"),
      warning(this.#special, 'special files were left out: devices need the rights of root'),
      warning(
        this.#notSeen,
        'of the files that had failed were not taken again: they are not in the source any more, or a pattern leaves them out',
      ),
    ].flat();
  }

  /** The failure with the files that it is about. */
  explained(failure: JobFailure, exit: ChildExit): JobFailure {
    const [first] = this.#failed;
    if (!first) return failure;
    const { size } = this.#failed;
    const files = `${size === 1 ? '1 file' : `${size} files`} failed, the first: ${JSON.stringify(shown(first[0]))} (${first[1]}).`;
    const id = this.#task.jobId;
    const isRest = this.isAllElseDone(exit) && this.#beyond === 0;
    const advice = [
      failure.advice,
      `"tallyman files ${id} --failed" lists the files that failed.`,
      ...(isRest ? [`All others are done: "tallyman retry ${id} --only-failed" takes just these.`] : []),
    ];
    return { ...failure, message: `${files}\n${failure.message}`, advice: advice.join(' '), ...(isRest && { filesFailed: size }) };
  }

  *#entries({ code }: ChildExit): Generator<FileEntry> {
    for (const [name, why] of this.#failed) yield entry(name, 'failed', { why });
    for (const name of this.#vanished) yield entry(name, 'skipped', { why: 'It vanished before it could be copied.' });
    for (const name of this.#special) yield entry(name, 'skipped', { why: 'It is a special file, which needs the rights of root.' });
    for (const name of this.#deleted) yield entry(name, 'deleted', { why: 'The source does not have it.' });
    if (!lookedAtAll({ code })) return;
    for (const name of this.#notSeen) yield entry(name, 'skipped', { why: NOT_THERE });
    for (const [name, bytes] of this.#transferred) yield entry(name, 'transferred', { bytes, provedBy: 'none' });
    for (let index = 0; index < this.#beyond; index++) yield entry('', 'transferred', {});
    for (const [name, fields] of this.#unchanged) yield entry(name, 'unchanged', { provedBy: 'none', ...fields });
    for (let index = 0; index < this.#unchangedBeyond; index++) yield entry('', 'unchanged', {});
  }

  #addUnchanged(name: string, bytes: number, flags: string): void {
    if (this.#unchanged.size === LIMITS.filesPerAttempt) this.#unchangedBeyond++;
    else this.#unchanged.set(name, { bytes, why: flags.trim() === '' ? null : 'Only its times or rights were set.' });
  }

  #settle(): void {
    for (const line of this.#errors.splice(0)) this.#addError(line);
  }

  #addError(line: string): void {
    const failed = failedFileOf(line);
    const name = failed && this.#nameOf(failed);
    if (!failed || name === null) this.#otherErrors++;
    else if (!this.#failed.has(name)) this.#failed.set(name, failed.why);
  }

  #nameOf({ inSource, path, isRelative }: { inSource: boolean; path: string; isRelative: boolean }): string | null {
    if (isRelative) return this.#names.ofItem(path);
    const name = this.#names.ofError(inSource, path);
    const temporary = name === null || inSource || this.#transferred.has(name) ? null : TEMPORARY.exec(name);
    if (!temporary) return name;
    // A file is written under a name of its own first. When it is not known of which file that is, nothing is guessed.
    const [, folder = '', base = ''] = temporary;
    const named = [folder + base, `${folder}.${base}`].filter((one) => this.#transferred.has(one));
    if (named.length > 0) return named.length === 1 ? (named[0] ?? null) : null;
    if (base.length < CUT_NAME_BYTES) return null;
    const whole = [...this.#transferred.keys()].filter((other) => other.startsWith(folder + base) && !other.includes('/', folder.length));
    return whole.length === 1 ? (whole[0] ?? null) : null;
  }
}

const shown = (name: string): string => Buffer.from(name, 'latin1').toString('utf8');

function warning(names: ReadonlySet<string>, what: string): string[] {
  const [first] = names;
  return first === undefined ? [] : [`${names.size} ${what} (the first: ${JSON.stringify(shown(first))}).`];
}

/** Written out: spread over millions of files it would take longer than all the rest. */
function entry(name: string, outcome: FileEntry['outcome'], { bytes = null, provedBy = null, why = null }: Partial<FileEntry>): FileEntry {
  const { path, pathBase64 } = pathOfLatin1(name);
  const told = { path, outcome, bytes, provedBy, checksum: null, why };
  return pathBase64 === undefined ? told : { ...told, pathBase64 };
}
