import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';

import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, it } from 'vitest';
import type { Job } from '../../actors/job.js';
import { bytesOf as pathBytesOf } from '../../src/file-record.js';
import type { RequestBody } from '../../src/job-client.js';
import { showPath } from '../../src/show-path.js';
import { EventReader } from '../http/event-reader.js';
import { startTestService, type TestService } from '../support/service.js';
import { Disturber, disturbances, type Disturbance } from './disturbances.js';
import { bytesOf, isFile, plannedTree, plant, setClosed, snapshot, type Planned } from './tree.js';
import { WorkerProcess } from './worker-process.js';

/**
 * Random trees, options and interruptions through the real worker and programs. Afterwards everything is looked at by a
 * walk of its own. More than the few cases of a usual run: TALLYMAN_PROOF_RUNS=1000.
 */

const { TALLYMAN_PROOF_RUNS, TALLYMAN_PROOF_SEED, TALLYMAN_PROOF_PATH } = process.env;
const RUNS = Number(TALLYMAN_PROOF_RUNS ?? 12);
/** A usual run takes no longer, however slow the machine is. */
const USUAL_MS = 25_000;
const CASE_MS = 90_000;
const REPAIRS = 3;

interface Pattern {
  rule: { includes?: string[]; excludes?: string[] };
  matches: (name: string, isFolder: boolean) => 'in' | 'out' | null;
}
/** In the order in which they are asked: includes first. */
const PATTERNS: readonly Pattern[] = [
  { rule: { includes: ['keep.tmp'] }, matches: (name) => (name === 'keep.tmp' ? 'in' : null) },
  { rule: { excludes: ['*.tmp'] }, matches: (name) => (name.endsWith('.tmp') ? 'out' : null) },
  { rule: { excludes: ['skip/'] }, matches: (name, isFolder) => (isFolder && name === 'skip' ? 'out' : null) },
];

const options = fc.record({
  type: fc.constantFrom('rsync', 'rsync', 'rclone'),
  verify: fc.constantFrom('none', 'size', 'checksum'),
  kind: fc.constantFrom('copy', 'copy', 'after_verify', 'after_verify', 'per_file', 'per_file', 'mirror', 'mirror with trash'),
  emptyFolders: fc.boolean(),
  patterns: fc.subarray([...PATTERNS]),
  maxDelete: fc.constantFrom(0, 2, 100),
  slow: fc.boolean(),
  auto: fc.boolean(),
  previewFirst: fc.nat(5).map((number) => number === 0),
  onlyFailed: fc.boolean(),
});
type Options = typeof options extends fc.Arbitrary<infer T> ? T : never;

interface Case {
  plan: Planned[];
  options: Options;
  extras: string[];
  disturbances: Disturbance[];
}
const cases: fc.Arbitrary<Case> = fc.record({
  plan: plannedTree,
  options,
  extras: fc.subarray(['extra', 'sub/extra', 'gone/extra.tmp', 'plain/in the way']),
  disturbances,
});

let service: TestService;
let worker: WorkerProcess;
beforeAll(async () => {
  service = await startTestService({ settings: { TALLYMAN_LEASE_MS: '4000' } });
  worker = await WorkerProcess.start({ nats: service.nats });
});
afterAll(async () => {
  await worker.stop();
  await service.stop();
});

it(
  'whatever the tree, the options and the interruptions: nothing is lost, and what the job says is true',
  { timeout: CASE_MS * RUNS },
  async () => {
    // None is begun later. fast-check's own limit would leave the one that runs to itself, with its processes.
    const untilMs = TALLYMAN_PROOF_RUNS === undefined ? performance.now() + USUAL_MS : Infinity;
    const proveInTime = async (one: Case) => (performance.now() < untilMs ? prove(one) : undefined);
    const found = await fc.check(fc.asyncProperty(cases, proveInTime), {
      numRuns: RUNS,
      endOnFailure: true,
      ...(TALLYMAN_PROOF_SEED === undefined ? {} : { seed: Number(TALLYMAN_PROOF_SEED) }),
      ...(TALLYMAN_PROOF_PATH === undefined ? {} : { path: TALLYMAN_PROOF_PATH }),
    });
    if (!found.failed) return;
    const replay = `TALLYMAN_PROOF_SEED=${found.seed} TALLYMAN_PROOF_PATH=${found.counterexamplePath} npx vitest run specs/proof/transfers.spec.ts`;
    throw new Error(`Replay: ${replay}\n${fc.stringify(found.counterexample)}`, { cause: found.errorInstance });
  },
);

async function prove(one: Case): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tallyman-proof-'));
  try {
    await new Proof(folder, one).run();
  } finally {
    if (!worker.isRunning) worker = await WorkerProcess.start({ nats: service.nats });
    await rm(folder, { recursive: true, force: true });
  }
}

class Proof {
  readonly #folder: string;
  readonly #case: Case;
  readonly #source: string;
  readonly #copy: string;
  readonly #moves: boolean;
  readonly #mirrors: boolean;
  #disturber!: Disturber;

  constructor(folder: string, one: Case) {
    [this.#folder, this.#case] = [folder, one];
    [this.#source, this.#copy] = [path.join(folder, 'source'), path.join(folder, 'copy')];
    const { kind } = one.options;
    this.#moves = kind === 'after_verify' || kind === 'per_file';
    this.#mirrors = kind.startsWith('mirror');
  }

  async run(): Promise<void> {
    const { plan, extras, disturbances: planned } = this.#case;
    await plant(this.#source, this.#copy, plan);
    for (const extra of extras) {
      await mkdir(path.join(this.#copy, path.dirname(extra)), { recursive: true }).catch(() => undefined);
      await writeFile(path.join(this.#copy, extra), `extra ${extra}`).catch(() => undefined);
    }
    await mkdir(path.join(this.#folder, 'outside'));
    await writeFile(path.join(this.#folder, 'outside', 'file'), 'not to be touched');
    const [source, copy] = [await snapshot(this.#source), await snapshot(this.#copy)];
    await setClosed(this.#source, plan, true);
    this.#disturber = new Disturber(service, worker, this.#source, planned);
    try {
      const job = await this.#toTheEnd();
      await this.#disturber.settled();
      await setClosed(this.#source, plan, false);
      await this.#check(job, source, copy);
    } finally {
      await this.#disturber.settled();
      worker = this.#disturber.worker;
      await this.#endJob();
    }
  }

  /** Does what a person would do, until the job has completed or cannot. */
  async #toTheEnd(): Promise<Job> {
    const { client } = service;
    const { id } = await this.#create();
    const [stop, log] = [new AbortController(), await EventReader.open(service, `/v1/jobs/${id}/log?follow=true`)];
    const late = AbortSignal.timeout(CASE_MS - 20_000);
    const reading = this.#readLog(log);
    let repairs = 0;
    try {
      await client.command('start', id);
      for await (const { jobs } of client.watch({ ids: [id], signal: AbortSignal.any([stop.signal, late]) })) {
        for (const job of jobs) this.#disturber.onJob(job);
        const job = await client.get(id);
        if (job.status === 'paused') await client.command('resume', id).catch(() => undefined);
        if (job.status === 'completed' || (job.status === 'failed' && ++repairs > REPAIRS)) return job;
        if (job.status === 'failed') await this.#repair(job);
      }
      throw new Error(`the job did not end: ${JSON.stringify(await client.get(id))}`);
    } finally {
      stop.abort();
      log.close();
      await reading;
    }
  }

  async #create(): Promise<Job> {
    const { options: chosen } = this.#case;
    const { type, verify, kind, emptyFolders, patterns, maxDelete, slow, auto, previewFirst } = chosen;
    const rules = (which: 'includes' | 'excludes') => patterns.flatMap(({ rule }) => rule[which] ?? []);
    const body = {
      type,
      source: `${this.#source}/`,
      destination: `${this.#copy}/`,
      start: false,
      options: {
        verify,
        includes: rules('includes'),
        excludes: rules('excludes'),
        bandwidthLimit: slow ? 300_000 : 0,
        maxRetries: 2,
        ...(auto && { resume: 'auto' }),
        ...(this.#moves && { deleteSource: { mode: kind, confirmed: true, emptyFolders } }),
        ...(this.#mirrors && { deleteExtraneous: true, maxDelete }),
        ...(kind === 'mirror with trash' && { trash: path.join(this.#folder, 'trash') }),
      },
    } as RequestBody<'create'>;
    // A preview is refused then, as the job is.
    if (!previewFirst || this.#hasFolderOfBothPatterns()) return service.client.create(body);
    const { start: _start, ...shown } = body as RequestBody<'create'> & { start: boolean };
    const { previewId } = await service.client.ask('preview', shown as RequestBody<'preview'>);
    return service.client.create({ ...body, previewId } as RequestBody<'create'>);
  }

  async #readLog(log: EventReader): Promise<void> {
    try {
      for (let event = await log.next(); event; event = await log.next()) this.#disturber.onLines((event.data as unknown[]).length);
    } catch {
      // It was closed.
    }
  }

  /** Opens what was closed, and tries again. */
  async #repair({ id, error }: Job): Promise<void> {
    await setClosed(this.#source, this.#case.plan, false);
    const onlyFailed = this.#case.options.onlyFailed && error?.filesFailed !== undefined;
    await service.client.ask('retry', onlyFailed ? { id, onlyFailed } : { id }).catch(() => service.client.command('retry', id));
  }

  async #endJob(): Promise<void> {
    const id = this.#disturber.job?.id;
    if (id !== undefined) await service.client.command('cancel', id).catch(() => undefined);
  }

  async #check(job: Job, before: Map<string, string>, copyBefore: Map<string, string>): Promise<void> {
    const [source, copy] = [await snapshot(this.#source), await snapshot(this.#copy)];
    const trash = new Set((await snapshot(path.join(this.#folder, 'trash'))).values());
    const { changed, removed } = this.#disturber;
    const wrong: string[] = [];
    const say = (what: string, paths: string[]) => {
      if (paths.length > 0) wrong.push(`${what}: ${JSON.stringify(paths)}`);
    };
    const isTouched = (name: string) => changed.has(name) || removed.has(name);
    const known = [...before].filter(([name]) => !isTouched(name));
    const left = (name: string) => source.get(name);

    say('is nowhere any more', known.filter(([name, what]) => isFile(what) && left(name) !== what && !(this.#moves && copy.get(name) === what)).map(([name]) => name)); // prettier-ignore
    say('was changed and is nowhere', [...changed].filter(([name, may]) => !removed.has(name) && ![source.get(name), this.#moves ? copy.get(name) : undefined].some((what) => what !== undefined && may.includes(what))).map(([name]) => name)); // prettier-ignore
    say('is in the source without having been there', [...source].filter(([name, what]) => !isTouched(name) && before.get(name) !== what).map(([name]) => name)); // prettier-ignore
    if (!this.#moves)
      say(
        'was deleted in the source',
        known.filter(([name]) => !source.has(name)).map(([name]) => name),
      );
    say('a pattern leaves it out, and it was deleted', known.filter(([name, what]) => this.#isOut(name, what) && !source.has(name)).map(([name]) => name)); // prettier-ignore
    say('special or a folder, and deleted', known.filter(([name, what]) => !source.has(name) && (what === 'special' || (what === 'folder' && !this.#case.options.emptyFolders))).map(([name]) => name)); // prettier-ignore
    const outside = [...(await snapshot(path.join(this.#folder, 'outside')))].map(([name, what]) => `${name} ${what.split(' ')[0]}`);
    if (outside.join() !== 'file file' || (await readFile(path.join(this.#folder, 'outside/file'), 'utf8')) !== 'not to be touched') wrong.push('outside was touched'); // prettier-ignore
    const beside = ['source', 'copy', 'outside', 'trash'];
    say(
      'was made beside',
      (await readdir(this.#folder)).filter((name) => !beside.includes(name)),
    );
    say('a process is left', await this.#processes());
    if (job.status === 'completed') {
      this.#checkCompleted(job, known, copy, source, say, wrong);
      await this.#checkDeletion(job, known, source, say, wrong);
    } else this.#checkFailed(job, wrong);
    this.#checkCopyBefore(copyBefore, before, copy, trash, say);
    if (wrong.length > 0) throw new Error(`${wrong.join('\n')}\n${JSON.stringify(job)}\n${await this.#logOf(job)}`);
  }

  #checkCompleted(
    job: Job,
    known: [string, string][],
    copy: Map<string, string>,
    source: Map<string, string>,
    say: (what: string, paths: string[]) => void,
    wrong: string[],
  ): void {
    // prettier-ignore
    const { verify, type } = this.#case.options;
    // Without a comparison of contents nobody finds out that size and time deceive.
    const deceived = new Set(this.#moves || verify === 'checksum' ? [] : this.#case.plan.filter(({ before }) => before === 'deceiving').map(({ path: name }) => name)); // prettier-ignore
    const wanted = known.filter(([name, what]) => what !== 'special' && !this.#isOut(name, what));
    say(
      'is not in the copy',
      wanted.filter(([name, what]) => copy.get(name) !== what && !deceived.has(name)).map(([name]) => name),
    );
    if (job.error !== null || job.progress.percent !== 100) wrong.push('a completed job has an error or no 100 percent');
    if (this.#moves || verify === 'none') return;
    const { verification } = job;
    const isQuiet = this.#disturber.changed.size + this.#disturber.removed.size === 0;
    const expected = [...source].filter(([name, what]) => isFile(what) && !this.#isOut(name, what)).length;
    if (!verification || verification.mismatches > 0 || verification.filesEqual < verification.filesExpected) wrong.push('it is completed and not verified'); // prettier-ignore
    const specials = [...source].filter(([name, what]) => what === 'special' && !this.#isOut(name, what)).length;
    if (isQuiet && type !== 'rclone' && ![expected, expected + specials].includes(verification?.filesEqual ?? -1)) wrong.push(`${expected} files are to be equal, it says ${verification?.filesEqual}`); // prettier-ignore
  }

  async #checkDeletion(
    job: Job,
    known: [string, string][],
    source: Map<string, string>,
    say: (what: string, paths: string[]) => void,
    wrong: string[],
  ): Promise<void> {
    // prettier-ignore
    if (!this.#moves) return;
    const gone = known.filter(([name, what]) => isFile(what) && !source.has(name));
    const named = new Set<string>();
    for (let attempt = 1; attempt <= job.attempt; attempt++) {
      const { files } = await service.client.ask('files', { id: job.id, attempt, outcome: ['deleting'], limit: 5000 });
      for (const record of files) named.add(pathBytesOf(record).toString('latin1'));
    }
    say(
      'was deleted and is not in the records',
      gone.filter(([name]) => !named.has(name)).map(([name]) => name),
    );
    const log = await this.#logOf(job);
    say('was deleted and is not in the log', gone.filter(([name]) => !log.includes(`Deleting in the source: ${showPath(name)} (`)).map(([name]) => name)); // prettier-ignore
    if (this.#disturber.changed.size + this.#disturber.removed.size > 0) return;
    const sum = gone.reduce((total, [, what]) => total + bytesOf(what), 0);
    const folders = known.filter(([name, what]) => what === 'folder' && !source.has(name)).length;
    const { filesDeleted, bytesDeleted, foldersDeleted } = job.deletion ?? {};
    if (filesDeleted !== gone.length || bytesDeleted !== sum || foldersDeleted !== folders) wrong.push(`gone are ${gone.length} files, ${sum} bytes, ${folders} folders`); // prettier-ignore
  }

  #checkFailed({ status, error }: Job, wrong: string[]): void {
    if (status === 'failed' && error?.code === 'pattern_not_supported' && this.#hasFolderOfBothPatterns()) return;
    const causes = ['verification_failed', 'source_changed', 'delete_limit', 'preview_stale', 'source_empty', 'interrupted', 'destination_invalid', 'permission_denied', 'source_smaller']; // prettier-ignore
    if (status !== 'failed' || !causes.includes(error?.code ?? '')) wrong.push('it did not complete');
  }

  /** rsync enters it, rclone cannot. */
  #hasFolderOfBothPatterns(): boolean {
    const { options: chosen, plan } = this.#case;
    const fit = (name: string) => chosen.patterns.filter(({ matches }) => matches(name, true) !== null).length > 1;
    const folders = plan.flatMap(({ path: name, kind }) => (kind === 'folder' ? name.split('/') : name.split('/').slice(0, -1)));
    return chosen.type === 'rclone' && folders.some(fit);
  }

  /** What stood in the destination, and the source does not have, stays; a mirror puts it into its trash or counts it. */
  #checkCopyBefore(
    copyBefore: Map<string, string>,
    before: Map<string, string>,
    copy: Map<string, string>,
    trash: ReadonlySet<string>,
    say: (what: string, paths: string[]) => void,
  ): void {
    // prettier-ignore
    const { kind, maxDelete } = this.#case.options;
    const isOfSource = (name: string) => before.has(name) || [...before.keys()].some((other) => name.startsWith(`${other}/`));
    const lost = [...copyBefore]
      .filter(([name, what]) => isFile(what) && !isOfSource(name) && copy.get(name) !== what)
      .map(([name]) => name);
    if (!this.#mirrors) say('stood in the destination alone, and is gone', lost);
    else if (kind === 'mirror with trash')
      say(
        'is not in the trash',
        lost.filter((name) => !trash.has(copyBefore.get(name) ?? '')),
      );
    else if (lost.length > maxDelete * (this.#disturber.job?.attempt ?? 1)) say('more was deleted than allowed', lost);
  }

  #isOut(name: string, what: string): boolean {
    const parts = name.split('/');
    return parts.some((part, index) => {
      const isFolder = index < parts.length - 1 || what === 'folder';
      return PATTERNS.filter((pattern) => this.#case.options.patterns.includes(pattern)).map(({ matches }) => matches(part, isFolder)).find((said) => said !== null) === 'out'; // prettier-ignore
    });
  }

  async #logOf({ id }: Job): Promise<string> {
    const texts: string[] = [];
    for (let after = 0; ;) {
      const { lines, last } = await service.client.ask('logs', { id, after, limit: 5000 });
      if (lines.length === 0) return texts.join('\n');
      texts.push(...lines.map(({ attempt, text }) => `${attempt} ${text}`));
      after = last;
    }
  }

  /** Every process of this machine that names the folder of the case. */
  async #processes(): Promise<string[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
    return lines.filter((line) => line.includes(this.#folder)).map((line) => line.replaceAll('\0', ' ').slice(0, 200));
  }
}
