import { byId, make, setHidden, setText } from './dom.js';
import { bytes, count, visible } from './format.js';
import { messageOf } from './rpc.js';

const FILES_PER_ASK = 200;

/** The outcomes as people call them, with those of the service that each stands for. @type {Record<string, { word: string, outcomes?: string[] }>} */
const CHOICES = {
  all: { word: 'All files' },
  wrong: { word: 'Failed or different', outcomes: ['failed', 'differs', 'missing', 'extra'] },
  copied: { word: 'Copied', outcomes: ['transferred'] },
  proved: { word: 'Proved equal', outcomes: ['equal'] },
  unchanged: { word: 'Not copied: the same already', outcomes: ['unchanged'] },
  skipped: { word: 'Left out', outcomes: ['skipped'] },
  deleted: { word: 'Deleted', outcomes: ['deleted'] },
  kept: { word: 'Kept in the source', outcomes: ['kept'] },
};

/** @type {Record<string, string>} */
const WORDS = {
  transferred: 'copied',
  unchanged: 'not copied',
  equal: 'proved equal',
  differs: 'differs',
  missing: 'not there',
  extra: 'only in the destination',
  failed: 'failed',
  skipped: 'left out',
  deleting: 'being deleted',
  deleted: 'deleted',
  kept: 'kept',
};

/** @typedef {{ path: string, outcome: string, bytes: number | null, provedBy: string | null, why: string | null }} FileRecord */

/** What became of every file of a job's newest attempt, a page at a time. */
export class FilesView {
  #rpc;
  #list = byId('files');
  #choice = /** @type {HTMLSelectElement} */ (byId('files-outcome'));
  /** What is read now: another object each time, so that an answer to an older one is known as such. @type {{ id: string, next: number | null } | null} */
  #reading = null;

  /** @param {import('./rpc.js').Rpc} rpc */
  constructor(rpc) {
    this.#rpc = rpc;
    for (const [value, { word }] of Object.entries(CHOICES)) {
      const option = make('option', word);
      option.value = value;
      this.#choice.append(option);
    }
    this.#choice.addEventListener('change', () => this.#reading && this.open(this.#reading.id));
    byId('files-more').addEventListener('click', () => this.#reading && this.#read(this.#reading));
  }

  /** @param {string} id */
  open(id) {
    byId('files-whole').setAttribute('href', `/v1/jobs/${encodeURIComponent(id)}/files?format=csv&download=true`);
    this.#reading = { id, next: 0 };
    void this.#read(this.#reading);
  }

  close() {
    this.#reading = null;
    this.#list.replaceChildren();
    setText(byId('files-note'), '');
  }

  /** @param {{ id: string, next: number | null }} reading */
  async #read(reading) {
    const { id, next: after } = reading;
    const { outcomes } = CHOICES[this.#choice.value] ?? {};
    try {
      const page = await this.#rpc.ask('jobs.files', { id, after, limit: FILES_PER_ASK, ...(outcomes && { outcome: outcomes }) });
      if (reading !== this.#reading) return;
      reading.next = page.next;
      this.#show(page, after === 0);
    } catch (error) {
      if (reading === this.#reading) setText(byId('files-note'), `The files cannot be read now: ${messageOf(error)}`);
    }
  }

  /** @param {{ files: FileRecord[], next: number | null, attempt: number, counts?: Record<string, number> }} page @param {boolean} isFirst */
  #show({ files, next, attempt, counts }, isFirst) {
    const items = files.map(fileItem);
    if (isFirst) {
      this.#list.replaceChildren(...items);
      setText(byId('files-note'), summary(attempt, counts ?? {}));
    } else this.#list.append(...items);
    setHidden(byId('files-more'), next === null);
  }
}

/** `Attempt 2: 1,203 copied, 2 failed`. @param {number} attempt @param {Record<string, number>} counts */
function summary(attempt, counts) {
  const words = Object.entries(WORDS).flatMap(([outcome, word]) => (counts[outcome] ? [`${count(counts[outcome])} ${word}`] : []));
  return words.length === 0 ? 'No file is told of yet.' : `Attempt ${attempt}: ${words.join(', ')}`;
}

/** @param {FileRecord} file */
function fileItem(file) {
  const item = make('li');
  item.dataset['outcome'] = file.outcome;
  const proved = file.provedBy && file.provedBy !== 'none' ? `by ${file.provedBy === 'bytes' ? 'content' : file.provedBy}` : '';
  const about = [file.bytes === null ? '' : bytes(file.bytes), proved, file.why ? visible(file.why) : ''];
  item.append(
    make('b', WORDS[file.outcome] ?? file.outcome),
    ' ',
    visible(file.path),
    ' ',
    make('span', about.filter(Boolean).join(' · '), 'muted'),
  );
  return item;
}
