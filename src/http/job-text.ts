import type { Job } from '../../actors/job.js';

const texts = new WeakMap<Job, string>();

/** A job as JSON, serialised once however many watchers get it. */
export function jobText(job: Job): string {
  const known = texts.get(job);
  if (known !== undefined) return known;
  const text = JSON.stringify(job);
  texts.set(job, text);
  return text;
}

/** Members of a JSON object that tell of jobs: `"seq":7,"jobs":[…],"deleted":[…]`; of a fresh list its `total`, too. */
export const changeMembers = (seq: number, jobTexts: readonly string[], deleted: readonly string[], total?: number): string =>
  `"seq":${seq},"jobs":[${jobTexts.join(',')}],"deleted":${JSON.stringify(deleted)}${total === undefined ? '' : `,"total":${total}`}`;
