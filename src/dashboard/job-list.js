/** The jobs as this page knows them, and which of them are shown. */

export const STATUSES = ['running', 'queued', 'paused', 'pending', 'failed', 'completed', 'cancelled'];

/** @typedef {import('../../actors/job.js').Job} Job */

export class JobList {
  /** @type {Map<string, Job>} */
  #jobs = new Map();
  /** The place in the journal up to which the page knows everything; none before the first answer. @type {number | undefined} */
  seq;
  /** Whether nothing was left out: of very many jobs a fresh list has only the newest. */
  isWhole = true;

  get size() {
    return this.#jobs.size;
  }

  /** @param {string} id */
  get(id) {
    return this.#jobs.get(id);
  }

  /** @param {string} status */
  countOf(status) {
    let found = 0;
    for (const job of this.#jobs.values()) if (job.status === status) found += 1;
    return found;
  }

  /** A fresh list: what is not in it is gone. @param {{ seq: number, jobs: Job[], total?: number }} event */
  reset({ seq, jobs, total = 0 }) {
    this.isWhole = total <= jobs.length;
    this.#jobs = new Map(jobs.map((job) => [job.id, job]));
    this.seq = seq;
  }

  /**
   * Takes in what changed, and gives the jobs that reached another status.
   * @param {{ seq: number, jobs: Job[], deleted?: string[] }} event
   * @returns {Job[]}
   */
  change({ seq, jobs, deleted = [] }) {
    const turned = [];
    for (const job of jobs) {
      const before = this.#jobs.get(job.id);
      // A fresh list may be a little newer than the changes that follow it.
      if (before && before.version > job.version) continue;
      this.#jobs.set(job.id, job);
      if (before?.status !== job.status) turned.push(job);
    }
    for (const id of deleted) this.#jobs.delete(id);
    this.seq = seq;
    return turned;
  }

  /**
   * The jobs that pass the filter, newest first, and how many there are of each status among those that the text finds.
   * @param {{ status: string, text: string }} filter
   */
  select({ status, text }) {
    const wanted = text.trim().toLowerCase();
    /** @type {Record<string, number>} */
    const counts = Object.fromEntries(['', ...STATUSES].map((word) => [word, 0]));
    /** @type {Job[]} */
    const jobs = [];
    for (const job of this.#jobs.values()) {
      if (wanted && !searchedText(job).includes(wanted)) continue;
      counts[''] = (counts[''] ?? 0) + 1;
      counts[job.status] = (counts[job.status] ?? 0) + 1;
      if (status === '' || job.status === status) jobs.push(job);
    }
    jobs.sort((a, b) => (a.id < b.id ? 1 : -1));
    return { jobs, counts };
  }
}

/** @param {Job} job */
function searchedText(job) {
  const labels = Object.entries(job.labels).map(([key, value]) => `${key}=${value}`);
  return [job.name, job.type, job.id, job.source, job.destination, job.worker, ...labels].join('\n').toLowerCase();
}
