import type { Job, Progress } from './job.js';

/** What an update of progress makes new of a job: the fields of its progress that are otherwise now, and the phase if it is. */
export type Patch = Pick<Job, 'id' | 'version' | 'updatedAt'> & Partial<Pick<Job, 'phase'>> & { progress: Partial<Progress> };

export function patchOf(before: Job, { id, version, updatedAt, phase, progress }: Job): Patch {
  const news: Partial<Record<keyof Progress, unknown>> = {};
  for (const name in progress) {
    const field = name as keyof Progress;
    if (progress[field] !== before.progress[field]) news[field] = progress[field];
  }
  return { id, version, updatedAt, ...(phase !== before.phase && { phase }), progress: news as Partial<Progress> };
}

export const patched = (job: Job, patch: Patch): Job => ({ ...job, ...patch, progress: { ...job.progress, ...patch.progress } });
