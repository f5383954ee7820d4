import type { Job } from '../../../actors/job.js';

/** What the model knows of a job: a plain value in a plain Map, changed in one place after the other. */
export interface ModelJob {
  status: Job['status'];
  wanted: Job['wanted'];
  version: number;
  attempt: number;
  retries: number;
  name: string;
  priority: number;
  percent: number | null;
  /** Waits for `retryAt`. */
  delayed: boolean;
}

/** What the model knows of a template. */
export interface ModelTemplate {
  name: string;
  version: number;
  runs: number;
}

/** The jobs that a run has made. Ids are in the order of creation. */
export interface Model {
  /** Templates by id, in the order of creation. */
  templates: Map<string, ModelTemplate>;
  jobs: Map<string, ModelJob>;
  keys: Map<string, string>;
}

export const newModel = (): Model => ({ jobs: new Map(), keys: new Map(), templates: new Map() });

export const isFinished = ({ status }: ModelJob): boolean => ['completed', 'failed', 'cancelled'].includes(status);

/** The job that a number of the generator stands for; `nobody` when there is none. */
export function pick({ jobs }: Model, number: number): string {
  const ids = [...jobs.keys()];
  return ids[number % ids.length] ?? 'nobody';
}

/** The part of a job that the model tells. */
export function seenBy({ status, wanted, version, attempt, retries, name, priority, progress, retryAt }: Job): ModelJob {
  return { status, wanted, version, attempt, retries, name, priority, percent: progress.percent, delayed: retryAt !== null };
}

export type ModelVerb = 'start' | 'pause' | 'resume' | 'cancel' | 'retry';

/**
 * What a command makes of a job, written down a second time and in another way
 * than the service does: `null` is a refusal, the same object is no change.
 */
export function commanded(job: ModelJob, verb: ModelVerb): ModelJob | null {
  const moved = (status: Job['status'], more: Partial<ModelJob> = {}): ModelJob => ({
    ...job,
    ...more,
    status,
    delayed: false,
    version: job.version + 1,
  });
  const queued = () => moved('queued', { retries: 0 });
  const wanting = (wanted: Job['wanted']): ModelJob => (job.wanted === wanted ? job : { ...job, wanted, version: job.version + 1 });
  switch (`${verb} ${job.status}`) {
    case 'start pending':
    case 'resume paused':
    case 'retry failed':
    case 'retry cancelled':
      return queued();
    case 'start queued':
    case 'retry queued':
      return job.delayed ? queued() : null;
    case 'pause queued':
      return moved('paused');
    case 'cancel pending':
    case 'cancel queued':
    case 'cancel paused':
      return moved('cancelled');
    case 'pause running':
      return job.wanted === 'cancel' ? job : wanting('pause');
    case 'cancel running':
      return wanting('cancel');
    case 'resume running':
      return job.wanted === 'pause' ? wanting('run') : null;
    default:
      return null;
  }
}

/** The job that a claim gets: the highest priority, then the oldest. */
export function nextInQueue({ jobs }: Model): string | null {
  const waiting = [...jobs].filter(([, job]) => job.status === 'queued' && !job.delayed);
  const best = Math.max(...waiting.map(([, job]) => job.priority));
  return waiting.find(([, job]) => job.priority === best)?.[0] ?? null;
}

/** What becomes of a running job at the end of its attempt. */
export function ended(job: ModelJob, how: 'complete' | 'fail' | 'failForNow' | 'release', maxRetries: number): ModelJob {
  const over = { ...job, wanted: 'run' as const, version: job.version + 1 };
  if (how === 'complete') return { ...over, status: 'completed' };
  if (how === 'release') {
    const status = job.wanted === 'pause' ? 'paused' : job.wanted === 'cancel' ? 'cancelled' : 'queued';
    return { ...over, status };
  }
  if (job.wanted === 'cancel') return { ...over, status: 'cancelled' };
  if (how === 'fail' || job.retries >= maxRetries) return { ...over, status: 'failed' };
  if (job.wanted === 'pause') return { ...over, status: 'paused' };
  return { ...over, status: 'queued', retries: job.retries + 1, delayed: true };
}
