import { bytes, count, duration, moment, plural, rate, visible } from './format.js';

/** What the page says about a job: pure functions from a job to words. */

/** @typedef {import('../../actors/job.js').Job} Job */
/**
 * `verb` and `fields` are what is asked for; without a verb the command's own name is the verb.
 * @typedef {{ label: string, yes?: string, verb?: string, fields?: (job: Job) => object, isInPanelOnly?: boolean, danger?: boolean,
 *   isLegal(job: Job): boolean, confirm?: { title: string, text: string | ((job: Job) => string), no: string } }} Command
 */

/** @param {string[]} statuses @returns {(job: Job) => boolean} */
const when =
  (...statuses) =>
  (job) =>
    statuses.includes(job.status);

/** How the source of a move is deleted; null when it is not. @param {Job} job */
export const deletionOf = ({ options }) =>
  'deleteSource' in options && options.deleteSource.mode !== 'never' ? options.deleteSource : null;

/** The commands that a button gives, by name: a job that is already being stopped needs no second one. @type {Record<string, Command>} */
export const COMMANDS = {
  start: { label: 'Start', isLegal: when('pending') },
  pause: { label: 'Pause', isLegal: (job) => job.status === 'queued' || (job.status === 'running' && job.wanted === 'run') },
  resume: { label: 'Resume', isLegal: (job) => job.status === 'paused' || (job.status === 'running' && job.wanted === 'pause') },
  retry: { label: 'Retry', isLegal: when('failed', 'cancelled') },
  retry_failed: {
    label: 'Retry the failed files',
    verb: 'retry',
    fields: () => ({ onlyFailed: true }),
    isInPanelOnly: true,
    isLegal: (job) => job.status === 'failed' && (job.error?.filesFailed ?? 0) > 0,
  },
  verify: {
    label: 'Verify',
    isInPanelOnly: true,
    isLegal: (job) => job.status === 'completed' && job.source !== null && !job.deletion?.filesDeleted,
  },
  duplicate: {
    label: 'Run again',
    yes: 'Run it again',
    isInPanelOnly: true,
    isLegal: when('completed', 'failed', 'cancelled'),
    // A yes to the deletion of source files was given to the old job only: the question below asks for another.
    fields: (job) => {
      const deleteSource = deletionOf(job);
      return deleteSource ? { overrides: { options: { deleteSource: { ...deleteSource, confirmed: true } } } } : {};
    },
    confirm: {
      title: 'Run this job again?',
      text: (job) =>
        `A new job with the same paths and options starts at once.${deletionOf(job) ? ' It deletes the source files that are proved to be copied.' : ''}`,
      no: 'Not now',
    },
  },
  cancel: {
    label: 'Cancel',
    danger: true,
    isLegal: (job) => when('pending', 'queued', 'paused')(job) || (job.status === 'running' && job.wanted !== 'cancel'),
    confirm: {
      title: 'Cancel this job?',
      text: 'What it has done so far stays. Retry goes on with it.',
      no: 'Keep it',
    },
  },
  delete: {
    label: 'Delete',
    danger: true,
    isLegal: (job) => job.status !== 'running',
    confirm: {
      title: 'Delete this job?',
      text: 'It leaves the list, with its history and its log. Files are not touched.',
      no: 'Keep it',
    },
  },
};

/** @type {Record<string, string>} */
const PHASES = {
  preflight: 'checking the paths',
  counting: 'counting',
  transferring: 'copying',
  verifying: 'verifying',
  deleting_source: 'deleting the source',
};

/** @type {Record<string, string>} */
const STATUS_WORDS = {
  pending: 'Not started',
  queued: 'Queued',
  running: 'Running',
  paused: 'Paused',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** @param {string} status */
export const statusWord = (status) => STATUS_WORDS[status] ?? status;

/** The badge of a job: its word, and the name of its icon and colour. @param {Job} job */
export function badge(job) {
  if (job.status === 'running' && job.wanted === 'pause') return { word: 'Pausing', look: 'paused' };
  if (job.status === 'running' && job.wanted === 'cancel') return { word: 'Cancelling', look: 'cancelled' };
  if (job.status === 'running' && job.wanted === 'stop') return { word: 'Stopping', look: 'paused' };
  if (job.status === 'completed' && job.warnings.length > 0) return { word: 'Completed, with warnings', look: 'warned' };
  return { word: statusWord(job.status), look: job.status };
}

/** What stands under the badge: the phase, or what the job waits for. @param {Job} job */
export function note(job) {
  if (job.status === 'running' && !job.awaySince) {
    // Only transfers tell a phase as soon as they have begun.
    const phase = job.phase ? PHASES[job.phase] : job.source === null ? '' : 'starting';
    return [phase, job.attempt > 1 ? `attempt ${job.attempt}` : ''].filter(Boolean).join(', ');
  }
  if (job.awaySince) return `away since ${moment(job.awaySince)}, looks again ${job.retryAt ? `at ${moment(job.retryAt)}` : 'now'}`;
  if (job.status === 'queued' && job.retryAt) return `tries again at ${moment(job.retryAt)}`;
  if (job.status === 'queued' && job.runAt && Date.parse(job.runAt) > Date.now()) return `runs at ${moment(job.runAt)}`;
  if (job.status === 'paused' && job.error) return 'waits for you: an error stopped it';
  if (job.finishedAt) return moment(job.finishedAt);
  return '';
}

/** `source → destination`, or the type of a job for workers of one's own. @param {Job} job */
export const route = (job) => (job.source === null ? job.type : `${visible(job.source)} → ${visible(job.destination ?? '')}`);

/** Whether the job has progress worth a bar: one that is over says how it ended in words. @param {Job} job */
export const hasBar = (job) => job.status === 'running' || (['paused', 'queued'].includes(job.status) && job.progress.percent !== null);

/** The figures beside the bar. @param {Job} job */
export function figures(job) {
  const p = job.progress;
  const isMoving = job.status === 'running';
  return [
    hasBar(job) && p.percent !== null ? `${Math.floor(p.percent)} %` : '',
    p.bytesTransferred === null
      ? ''
      : p.bytesTotal === null || !hasBar(job)
        ? bytes(p.bytesTransferred)
        : `${bytes(p.bytesTransferred)} of ${bytes(p.bytesTotal)}`,
    p.filesTransferred === null || isMoving ? '' : p.filesTransferred === 1 ? '1 file' : `${count(p.filesTransferred)} files`,
    isMoving && p.bytesPerSecond ? rate(p.bytesPerSecond) : '',
    isMoving && p.etaSeconds !== null ? `${duration(p.etaSeconds)} left` : '',
    job.status === 'completed' && job.startedAt && job.finishedAt
      ? `took ${duration((Date.parse(job.finishedAt) - Date.parse(job.startedAt)) / 1000)}`
      : '',
    job.status === 'completed' ? proof(job) : '',
    gone(job),
  ]
    .filter(Boolean)
    .map((figure) => figure.replaceAll(' ', '\u00a0'))
    .join(' · ');
}

/** By what the copy was proved. @param {Job} job */
function proof(job) {
  const v = job.verification;
  if (!v || v.method === 'none') return '';
  const by = v.method === 'size' ? 'size' : 'content';
  return v.filesEqual === v.filesExpected ? `verified by ${by}` : `${count(v.mismatches)} differ by ${by}`;
}

/** What is deleted in the source. @param {Job} job */
function gone({ deletion }) {
  if (!deletion || deletion.filesDeleted === 0) return '';
  return `${plural(deletion.filesDeleted, 'file')} deleted in the source`;
}

/** Why files were kept in a source that was to be deleted. @param {Job} job */
const kept = ({ deletion }) => deletion?.kept.map(({ why, files }) => `${count(files)}: ${why}`).join('\n');

/** What a screen reader is told when a job reaches a new status, or nothing where that is no news. @param {Job} job */
export function news(job) {
  return ['completed', 'failed', 'cancelled', 'paused'].includes(job.status) ? `${visible(job.name)}: ${badge(job).word}` : '';
}

/** The facts of the panel, in order: `[term, text]`. @param {Job} job */
export function facts(job) {
  /** @type {[string, string | null | undefined | false][]} */
  const all = [
    ['Progress', figures(job)],
    ['Error', job.error && visible(job.error.message)],
    ['What to do', job.error?.advice && visible(job.error.advice)],
    ['Warnings', job.warnings.map(visible).join('\n')],
    ['Kept in the source', kept(job)],
    ['Source', job.source !== null && visible(job.source)],
    ['Destination', job.destination !== null && visible(job.destination)],
    [
      'Labels',
      Object.entries(job.labels)
        .map(([key, value]) => `${key}=${visible(value)}`)
        .join(', '),
    ],
    ['Input', job.source === null && job.input != null && visible(JSON.stringify(job.input))],
    ['Result', job.result != null && visible(JSON.stringify(job.result))],
    [
      'Verified',
      job.verification &&
        `${count(job.verification.filesEqual)} of ${count(job.verification.filesExpected)} files equal by ${job.verification.method}`,
    ],
    ['Schedule', job.schedule],
    ['Attempt', job.attempt > 0 && `${job.attempt}${job.worker ? ` by ${job.worker}` : ''}`],
    ['Created', moment(job.createdAt)],
    ['Started', job.startedAt && moment(job.startedAt)],
    ['Finished', job.finishedAt && moment(job.finishedAt)],
    ['Type', job.type],
    ['Id', job.id],
  ];
  return /** @type {[string, string][]} */ (all.filter(([, text]) => Boolean(text)));
}
