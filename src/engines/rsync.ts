import type { Verification } from '../../actors/job.js';
import { findTool, type Tool } from '../tools.js';
import { BoundedRun } from './bounded-run.js';
import { EngineFailed } from './engine.js';
import type { Counted, Engine, EnginePreview, EngineProbe, ListedEntry, RemotesChecked, Run, TransferTask, Transferred } from './engine.js';
import type { Markers } from './leftovers.js';
import { runChild } from './process.js';
import { requireTool, sayCommand } from './program.js';
import { countArgs, previewArgs, listArgs, listOf, lostArgs, partArgs, rootArgs, transferArgs, verifyArgs } from './rsync-args.js';
import { Compared } from './rsync-compared.js';
import { LostMetadata, lostFlags, metadataArgs, requireCapable } from './rsync-metadata.js';
import { RsyncErrors } from './rsync-failures.js';
import { RsyncFiles, lookedAtAll } from './rsync-files.js';
import { checkHost, checkMarker, lookBy } from './rsync-look.js';
import { RsyncNames, isFolder, withFolder } from './rsync-names.js';
import {
  BYTES_TRANSFERRED,
  FILES,
  FILES_DELETED,
  FILES_TRANSFERRED,
  VANISHED,
  countedBy,
  mustBeZero,
  totalOf,
  type Outcome,
} from './rsync-outcome.js';
import { ENTRY_TYPES, isUntouched, parseLine, unglued, type RsyncLine, type StatLine } from './rsync-output.js';
import { allAtOnce, partsOf } from './rsync-parallel.js';
import { ChangesFound, PreviewFound } from './rsync-preview.js';
import { RsyncProgress } from './rsync-progress.js';
import { countSmall } from './rsync-small.js';
import { wayTo, type RemoteAccess } from './rsync-remote.js';
import { FilesToCopy, mostParts, type Part } from './rsync-split.js';
import { takeUpTemporaries } from './rsync-temporary.js';
import { INSTALL_RSYNC, probeRsync, versionText } from './rsync-version.js';

export interface RsyncOptions {
  /** What the children carry, so that they are found when their worker is gone. */
  markers: Markers;
  /** How long rsync may take to put its partial file aside when it is stopped. Default 10 000. */
  graceMs?: number;
  /** What a list of files must weigh at least to get an rsync of its own (`parallel`). Default 16 MiB. */
  leastListWeight?: number;
  /** Finds the program. Default: `findTool('rsync')`. */
  findRsync?: () => Tool | null;
  /** What of other machines may be used, and how. Default: none. */
  access?: RemoteAccess;
}

/** The engine that runs rsync between two paths, of which one may be on another machine. */
export function createRsyncEngine(options: RsyncOptions): Engine {
  return new RsyncEngine(options);
}

/** Lines of files that a copy writes to its log. */
const ITEMS_LOGGED = 1000;

type Copied = Outcome & { warnings: string[] };
interface Listener {
  onLine: (line: RsyncLine, text: string, raw: Buffer) => void;
  onError?: (errors: RsyncErrors, raw: Buffer) => void;
  /** The checksums of files were asked for. */
  checksums?: boolean;
}

class RsyncEngine implements Engine {
  readonly type = 'rsync';
  readonly #options: RsyncOptions;
  /** What a count found, for the transfer that follows it. */
  readonly #toCopy = new WeakMap<Counted, FilesToCopy>();

  constructor(options: RsyncOptions) {
    this.#options = options;
  }

  probe(): Promise<EngineProbe> {
    return probeRsync(this.#find());
  }

  async checkRemotes(task: TransferTask, run: Run): Promise<RemotesChecked> {
    await checkHost(task, run, this.#look(task, run));
    return { freeBytes: null };
  }

  checkMarkers(task: TransferTask, run: Run) {
    return checkMarker(task, this.#look(task, run));
  }

  #look = (task: TransferTask, run: Run) => lookBy((args, onText) => this.#run(args, task, run, { onLine: (_line, text) => onText(text) }));

  async count(given: TransferTask, run: Run): Promise<Counted> {
    const task = await withFolder(given);
    const rsync = this.#require();
    const small = await countSmall(task);
    if (small) {
      run.log('info', 'worker', `${small.source?.files} files are so few that they were counted without rsync.`);
      return small;
    }
    if (metadataArgs(task.options).length > 0) requireCapable(await versionText(rsync), task.options);
    await takeUpTemporaries(task, run);
    const names = await RsyncNames.of(task);
    const files = new RsyncFiles(names, task);
    const [found, toCopy] = [new ChangesFound(), new FilesToCopy()];
    const onLine = (line: RsyncLine, text: string) => {
      if (line.kind === 'file') found.add(line);
      else run.log('debug', 'stdout', text);
      if (line.kind === 'file' && mostParts(task) > 1) toCopy.add(line, names.ofItem(line.rawName));
    };
    const onError = (_errors: RsyncErrors, raw: Buffer) => files.onError(raw.toString('latin1'));
    const outcome = await this.#run(countArgs(task), task, run, { onLine, onError });
    // What vanishes now is not there to be copied either; what cannot be read does not keep the rest from being copied.
    if (outcome.exit.code !== VANISHED && !files.isAllElseDone(outcome.exit)) mustBeZero(outcome);
    const counted = countedBy(outcome, task, found);
    if (await isFolder(task.source)) this.#toCopy.set(counted, toCopy);
    return counted;
  }

  async preview(task: TransferTask, run: Run): Promise<EnginePreview> {
    const found = new PreviewFound(task.options);
    const onLine = (line: RsyncLine, text: string) => {
      if (line.kind === 'file') found.addFile(line);
      else found.addText(text);
    };
    const outcome = await this.#run(previewArgs(task), task, run, { onLine });
    const { exit, errors } = outcome;
    const failure = exit.code === 0 || exit.code === VANISHED ? null : errors.failure(exit);
    if (failure && !outcome.stats.has(FILES)) throw new EngineFailed(failure);
    await found.lookUpSizes(task.destination);
    const { args } = await wayTo(task, this.#options.access);
    const command = [this.#find()?.path ?? 'rsync', ...args, ...transferArgs({ ...task, jobId: 'JOB', attempt: 1 })];
    return { ...found.preview(totalOf(outcome, FILES)), command, failure };
  }

  async transfer(given: TransferTask, counted: Counted, run: Run): Promise<Transferred> {
    const task = await withFolder(given);
    const bounded = new BoundedRun(run);
    try {
      const progress = new RsyncProgress(counted);
      bounded.onProgress(progress.start());
      const outcomes = await this.#copyParts(task, counted, progress, bounded);
      const whole = await this.#copy(task, progress, bounded);
      outcomes.push(whole);
      if (whole.exit.code === VANISHED) {
        bounded.log('warning', 'worker', 'Files of the source vanished meanwhile: running rsync once more.');
        const maxDelete = Math.max(0, (task.options.maxDelete ?? 0) - (whole.stats.get(FILES_DELETED)?.value ?? 0));
        outcomes.push(await this.#copy({ ...task, options: { ...task.options, maxDelete } }, progress, bounded));
      }
      const sum = (key: string) => outcomes.reduce((total, outcome) => total + totalOf(outcome, key).value, 0);
      const [filesTransferred, bytesTransferred] = [sum(FILES_TRANSFERRED), sum(BYTES_TRANSFERRED)];
      bounded.onProgress(progress.end(filesTransferred, bytesTransferred));
      return { filesTransferred, bytesTransferred, warnings: [...(outcomes.at(-1)?.warnings ?? []), ...(await this.#lost(task, bounded))] };
    } finally {
      bounded.flush();
    }
  }

  async verify({ only: _only, ...task }: TransferTask, method: 'size' | 'checksum', run: Run): Promise<Verification> {
    const bounded = new BoundedRun(run);
    try {
      const compared = new Compared(await RsyncNames.of(task), method, task.options.deleteExtraneous);
      bounded.onProgress(compared.progress(null));
      const onLine = (line: RsyncLine, text: string) => {
        if (line.kind !== 'file') {
          compared.onOther(text);
          bounded.log('debug', 'stdout', text);
          return;
        }
        const entry = compared.add(line);
        if (entry) bounded.file(entry);
        if (line.change !== '.') bounded.log('warning', 'stdout', text);
        bounded.onProgress(compared.progress(line.name));
      };
      const outcome = await this.#run(verifyArgs(task, method), task, bounded, { onLine, checksums: method === 'checksum' });
      mustBeZero(outcome);
      return compared.verdict(totalOf(outcome, FILES));
    } finally {
      bounded.flush();
    }
  }

  async list(task: TransferTask, run: Run): Promise<ListedEntry[]> {
    const entries: ListedEntry[] = [];
    const onLine = (line: RsyncLine) => {
      if (line.kind === 'file' && line.change !== '*') entries.push({ path: line.rawName, type: ENTRY_TYPES[line.type] ?? 'special' });
    };
    const outcome = await this.#run(listArgs(task), task, run, { onLine });
    // What vanishes now is not there to be deleted either.
    if (outcome.exit.code !== VANISHED) mustBeZero(outcome);
    return entries;
  }

  /** Of a source that is deleted: what goes with it since it is not copied. */
  async #lost({ only: _only, ...task }: TransferTask, run: Run): Promise<string[]> {
    if (task.options.deleteSource.mode === 'never') return [];
    const lost = new LostMetadata();
    const onLine = (line: RsyncLine) => {
      if (line.kind === 'file') lost.add(line);
    };
    const flags = lostFlags(await versionText(this.#require()), task.options);
    const outcome = await this.#run(lostArgs(task, flags), task, run, { onLine });
    if (outcome.exit.code !== VANISHED) mustBeZero(outcome);
    return lost.warnings;
  }

  #require(): Tool {
    return requireTool(this.#find(), 'rsync', INSTALL_RSYNC);
  }

  /** Several rsyncs copy what was counted, a list each. Whatever they do not, the one that comes after them does: it looks at everything. */
  async #copyParts(task: TransferTask, counted: Counted, progress: RsyncProgress, run: Run): Promise<Copied[]> {
    const lists = this.#toCopy.get(counted)?.lists(mostParts(task), this.#options.leastListWeight) ?? [];
    if (lists.length === 0) return [];
    run.log('info', 'worker', `Copying with ${lists.length} rsyncs at once, then with one that looks at everything.`);
    const root = await this.#run(rootArgs(task), task, run, { onLine: (_line, text) => run.log('debug', 'stdout', text) });
    if (!lookedAtAll(root.exit)) mustBeZero(root);
    const parts = partsOf(task, lists);
    return allAtOnce(
      parts.map((part) => (one) => this.#copy(part, progress, one, part)),
      run,
    );
  }

  async #copy(task: TransferTask, progress: RsyncProgress, run: Run, part?: Part): Promise<Copied> {
    const files = new RsyncFiles(await RsyncNames.of(task), task);
    let items = 0;
    const onLine = (line: RsyncLine, text: string, raw: Buffer) => {
      if (line.kind === 'progress') run.onProgress(progress.onProgress(line, part?.part));
      // Millions of them perhaps: they have a list of their own.
      else if (line.kind !== 'file' || line.change === '*') run.log('info', 'stdout', text);
      else if (!isUntouched(line) && items++ < ITEMS_LOGGED) run.log('debug', 'stdout', text);
      if (line.kind === 'other') files.onOther(raw.toString('latin1'));
      if (line.kind !== 'file') return;
      files.onItem(line);
      run.onProgress(progress.onFile(line));
    };
    const onError = (errors: RsyncErrors, raw: Buffer) => {
      files.onError(raw.toString('latin1'));
      run.onProgress(progress.onFailed(errors.failedFiles, part?.part));
    };
    const outcome = await this.#run(part ? partArgs(part) : transferArgs(task), task, run, { onLine, onError });
    if (items > ITEMS_LOGGED)
      run.log('info', 'worker', `${items - ITEMS_LOGGED} more files are not in this log, but in the list of files.`);
    const { exit, errors } = outcome;
    const isTriedAgain = part !== undefined && lookedAtAll(exit);
    await files.tell(exit, run, isTriedAgain);
    if (part) progress.onEnd(part.part);
    if (exit.code !== 0 && exit.code !== VANISHED && !isTriedAgain) throw new EngineFailed(files.explained(errors.failure(exit), exit));
    return { ...outcome, warnings: files.warnings };
  }

  async #run(ownArgs: string[], task: TransferTask & Partial<Part>, run: Run, { onLine, onError, checksums }: Listener): Promise<Outcome> {
    const rsync = this.#require();
    const way = await wayTo(task, this.#options.access);
    const args = [...way.args, ...ownArgs];
    const tool = { ...rsync, env: { ...rsync.env, ...way.env } };
    sayCommand(run, tool, args);
    const errors = new RsyncErrors();
    const stats = new Map<string, StatLine>();
    const { markers, graceMs } = this.#options;
    const names = task.list ?? (args.includes('--files-from=-') ? task.only : undefined);
    const exit = await runChild({
      tool,
      args,
      markers,
      task,
      signal: run.signal,
      ...(names === undefined ? {} : { stdin: listOf(names) }),
      ...(graceMs === undefined ? {} : { graceMs }),
      onStdout: (bytes) => {
        for (const part of unglued(bytes)) {
          const line = parseLine(part, checksums);
          if (line.kind === 'stat') stats.set(line.key, line);
          // Nobody reads the text of these, and there are as many as files.
          onLine(line, line.kind === 'progress' ? '' : part.toString('utf8'), part);
        }
      },
      onStderr: (bytes) => {
        const text = bytes.toString('utf8');
        errors.add(text);
        onError?.(errors, bytes);
        run.log(/^(?:rsync: |rsync error: |ERROR)/.test(text) ? 'error' : 'warning', 'stderr', text);
      },
    });
    return { exit, errors, stats };
  }

  #find(): Tool | null {
    return (this.#options.findRsync ?? (() => findTool('rsync')))();
  }
}
