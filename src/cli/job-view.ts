import { isTransferType, type Job, type Progress, type TransferOptions, type Verification } from '../../actors/job.js';
import { askedMetadata } from '../../actors/metadata.js';
import { NOTICE_EVENTS } from '../../actors/notify.js';
import type { Reason } from '../../actors/reasons.js';
import { bytes, duration, localTime, percent, plural, relativeTime, speed } from './format.js';
import { pairLines, tableLines, type Cell, type Column } from './table.js';
import type { Piece, Style, Terminal } from './terminal.js';

/** How jobs look: the words, colours and columns that the commands share. */

const STATUS_STYLES: Record<Job['status'], readonly Style[]> = {
  pending: ['dim'],
  queued: ['cyan'],
  running: ['blue'],
  paused: ['yellow'],
  completed: ['green'],
  failed: ['red'],
  cancelled: ['dim'],
};

/** The end of an id: enough to tell a job from the others, and every command takes it. */
const SHORT_ID_CHARS = 8;
export const shortId = (id: string): string => id.slice(-SHORT_ID_CHARS);

export const statusStyles = (job: Job): readonly Style[] => STATUS_STYLES[job.status];

const SOON_MS = 2000;

/** The status in words: what a running job does now, what a queued one waits for. */
export function statusWords(job: Job, now: number): string {
  if (job.status === 'running' && job.wanted === 'pause') return 'pausing';
  if (job.status === 'running' && job.wanted === 'cancel') return 'being cancelled';
  if (job.status === 'running' && job.wanted === 'stop') return 'stopping';
  if (job.status === 'running' && job.awaySince !== undefined) return 'away, looks now';
  if (job.status === 'running') return job.phase?.replace('_', ' ') ?? 'running';
  if (job.status === 'queued' && job.awaySince !== undefined)
    return `away, looks ${job.retryAt === null || Date.parse(job.retryAt) - now < SOON_MS ? 'soon' : relativeTime(job.retryAt, now)}`;
  if (job.status === 'queued' && job.retryAt !== null) return `retries ${relativeTime(job.retryAt, now)}`;
  if (job.status === 'queued' && job.runAt !== null && Date.parse(job.runAt) > now) return `starts ${relativeTime(job.runAt, now)}`;
  if (job.status === 'completed' && job.warnings.length > 0) return 'completed, warnings';
  return job.status;
}

/** `1.23 GB of 2.90 GB` */
export function amount({ bytesTransferred, bytesTotal }: Progress): string | null {
  if (bytesTransferred === null) return null;
  return bytesTotal === null ? bytes(bytesTransferred) : `${bytes(bytesTransferred)} of ${bytes(bytesTotal)}`;
}

/** `3 of 12 files` */
export function fileCount({ filesTransferred, filesTotal }: Progress): string | null {
  if (filesTransferred === null) return null;
  return filesTotal === null ? plural(filesTransferred, 'file') : `${filesTransferred} of ${plural(filesTotal, 'file')}`;
}

/** Everything that is known of a running job, in one line. */
export function progressWords({ progress }: Job): string {
  const words = [
    progress.percent === null ? null : percent(progress.percent),
    amount(progress),
    progress.bytesPerSecond === null ? null : speed(progress.bytesPerSecond),
    progress.etaSeconds ? `${duration(progress.etaSeconds)} left` : null,
    fileCount(progress),
  ];
  return words.filter((word) => word !== null).join(', ');
}

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'NAME', shrinks: true },
  { title: 'STATUS' },
  { title: 'DONE', right: true },
  { title: 'BYTES', right: true },
  { title: 'SPEED', right: true },
  { title: 'LEFT', right: true },
  { title: 'CHANGED' },
];

/** The jobs as a table. Whole ids where a program reads it, short ones for people. */
export function jobTable(jobs: readonly Job[], terminal: Terminal, now: number): Piece[][] {
  const rows = jobs.map((job) => jobRow(job, now, terminal.interactive));
  return tableLines(COLUMNS, rows, terminal.interactive ? terminal.columns - 1 : Infinity);
}

function jobRow(job: Job, now: number, short: boolean): Cell[] {
  const { progress } = job;
  const running = job.status === 'running';
  return [
    { text: short ? shortId(job.id) : job.id },
    { text: job.name },
    { text: statusWords(job, now), styles: statusStyles(job) },
    { text: progress.percent === null || job.status === 'completed' ? '' : percent(progress.percent) },
    { text: progress.bytesTransferred === null ? '' : bytes(progress.bytesTransferred) },
    { text: !running || progress.bytesPerSecond === null ? '' : speed(progress.bytesPerSecond) },
    { text: !running || progress.etaSeconds === null ? '' : duration(progress.etaSeconds) },
    { text: relativeTime(job.updatedAt, now), styles: ['dim'] },
  ];
}

/** All of one job, for `show`. */
export function jobDetails(job: Job, reasons: readonly Reason[], now: number): Piece[][] {
  const at = (timestamp: string | null): string | null =>
    timestamp === null ? null : `${localTime(timestamp)}  (${relativeTime(timestamp, now)})`;
  const json = (value: unknown): string | null => (value === null || value === undefined ? null : JSON.stringify(value));
  return pairLines([
    ['id', job.id],
    ['name', job.name],
    ['type', job.type],
    ['status', [statusWords(job, now), ...statusStyles(job)]],
    ...reasons.map(({ message }) => ['waits', message] as const),
    ['progress', progressWords(job) || null],
    ['current file', job.status === 'running' ? job.progress.currentFile : null],
    ['schedule', job.schedule],
    ['from', job.source],
    ['to', job.destination],
    ['input', json(job.input)],
    ['result', json(job.result)],
    ['options', isTransferType(job.type) ? optionWords(job.options as TransferOptions) : null],
    ...timePairs(job.options),
    ['tells', notifyWords(job.options)],
    [
      'labels',
      Object.entries(job.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ') || null,
    ],
    ['priority', job.priority === 0 ? null : String(job.priority)],
    ['attempt', job.attempt === 0 ? null : `${job.attempt} of at most ${job.attempt - job.retries + job.options.maxRetries}`],
    ['worker', job.worker],
    ['bandwidth', job.status === 'running' && job.bandwidthShare !== undefined ? `${speed(job.bandwidthShare)} of the limit in all` : null],
    ...endPairs(job),
    ['created', at(job.createdAt)],
    ['starts', at(job.runAt)],
    ['after', job.after.join(', ') || null],
    ['started', at(job.startedAt)],
    ['away since', at(job.awaySince ?? null)],
    ['tries again', at(job.retryAt)],
    ['finished', at(job.finishedAt)],
    ['version', String(job.version)],
  ]);
}

function timePairs({ deadlineAt, attemptTimeoutSeconds, hours }: Job['options']): (readonly [string, Piece | null])[] {
  return [
    ['deadline', deadlineAt ? localTime(deadlineAt) : null],
    ['an attempt', attemptTimeoutSeconds ? `at most ${duration(attemptTimeoutSeconds)}` : null],
    ['hours', hours ? `${hours.from} to ${hours.to} ${hours.timeZone}${hours.days.length < 7 ? `, ${hours.days.join(' ')}` : ''}` : null],
  ];
}

function notifyWords({ notify }: Job['options']): string | null {
  if (!notify) return null;
  const { webhook, on } = notify;
  return `${webhook ?? 'nobody of its own'}${on.length < NOTICE_EVENTS.length ? `, of ${on.join(', ') || 'nothing'}` : ''}`;
}

function endPairs({ error, warnings, verification, deletion }: Job): (readonly [string, Piece | null])[] {
  const exit = error?.exitCode === null || error?.exitCode === undefined ? '' : `, exit code ${error.exitCode}`;
  return [
    ['error', error === null ? null : ([`${error.message} (${error.code}${exit})`, 'red'] as const)],
    ['what to do', error?.advice ?? null],
    ...warnings.map((warning) => ['warning', [warning, 'yellow']] as const),
    ['verified', verification === null ? null : verificationWords(verification)],
    ['deleted', deletion === null ? null : deletionWords(deletion)],
  ];
}

/** What was really compared, by what. */
export function verificationWords({ method, algorithm, filesEqual, filesExpected, mismatches, extra = 0 }: Verification): string {
  if (method === 'none') return 'not verified';
  const by = algorithm === null ? method : `${method} (${algorithm})`;
  return `${filesEqual} of ${plural(filesExpected, 'file')} equal by ${by}${mismatches > 0 ? `, ${plural(mismatches, 'mismatch', 'mismatches')}` : ''}${extra > 0 ? `, ${extra} left over` : ''}`;
}

/** What is gone from the source, and what was kept there. */
function deletionWords({ filesDeleted, bytesDeleted, foldersDeleted, filesKept, kept }: NonNullable<Job['deletion']>): string {
  const folders = foldersDeleted > 0 ? ` and ${plural(foldersDeleted, 'empty folder')}` : '';
  const why = kept.map(({ why: reason }) => reason).join('; ');
  return `${plural(filesDeleted, 'file')} (${bytes(bytesDeleted)})${folders} deleted in the source${filesKept > 0 ? `, ${filesKept} kept: ${why}` : ''}`;
}

function optionWords(options: TransferOptions): string {
  const { excludes, includes, bandwidthLimit, verify, maxRetries, deleteSource, resume, whenAway } = options;
  const metadata = askedMetadata(options);
  const words = [
    excludes.length > 0 ? `exclude ${excludes.join(' ')}` : null,
    includes.length > 0 ? `include ${includes.join(' ')}` : null,
    bandwidthLimit > 0 ? `at most ${speed(bandwidthLimit)}` : null,
    `verify ${verify}`,
    metadata.length === 0 ? null : `with ${metadata.join(' ')}`,
    deleteSource.mode === 'never' ? null : `delete the source ${deleteSource.mode.replace('_', ' ')}`,
    resume === undefined ? null : `resume ${resume}`,
    whenAway === 'wait' ? 'waits for a side that is away' : null,
    plural(maxRetries, 'retry', 'retries'),
  ];
  return words.filter((word) => word !== null).join(', ');
}

/** The end of a job in one or a few lines. */
export function outcomeLines(job: Job): Piece[][] {
  if (job.status === 'completed') {
    const verified = job.verification === null ? '' : `, ${verificationWords(job.verification)}`;
    const deleted = job.deletion === null ? '' : `, ${deletionWords(job.deletion)}`;
    return [
      [['Completed', 'green'], `: ${doneWords(job)}${verified}${deleted}.`],
      ...job.warnings.map((warning): Piece[] => [['Warning', 'yellow'], `: ${warning}`]),
    ];
  }
  if (job.status === 'cancelled')
    return [[['Cancelled', 'yellow'], `: ${doneWords(job)}. "tallyman retry ${shortId(job.id)}" goes on with it.`]];
  const advice: Piece[][] = job.error?.advice ? [[`  ${job.error.advice}`]] : [];
  if (job.status === 'paused')
    return [
      [['Paused', 'yellow'], `: ${job.error?.message ?? 'it waits for a yes'}`],
      ...advice,
      [`  "tallyman resume ${shortId(job.id)}" goes on, "tallyman cancel ${shortId(job.id)}" ends it.`],
    ];
  return [
    [['Failed', 'red'], `: ${job.error?.message ?? 'without a reason'}`],
    ...advice,
    [`  See "tallyman logs ${shortId(job.id)}"; "tallyman retry ${shortId(job.id)}" tries again.`],
  ];
}

function doneWords({ status, progress, startedAt, finishedAt }: Job): string {
  const seconds = startedAt !== null && finishedAt !== null ? (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000 : null;
  if (progress.filesTransferred === 0 && status === 'completed') return 'everything was there already';
  const files = progress.filesTransferred === null ? null : plural(progress.filesTransferred, 'file');
  const size = progress.bytesTransferred === null ? null : bytes(progress.bytesTransferred);
  const moved = [files, size].filter((word) => word !== null).join(', ') || 'nothing moved';
  return seconds === null ? moved : `${moved} in ${duration(seconds)}`;
}
