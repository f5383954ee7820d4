import { CommandBar } from './command-bar.js';
import { byId, make, setHidden, setText } from './dom.js';
import { FilesView } from './files-view.js';
import { moment, visible } from './format.js';
import { LogView } from './log-view.js';
import { facts, statusWord } from './words.js';

/** @typedef {import('../../actors/job.js').Job} Job */

/** The panel beside the list: all about one job, with its log and its history. */
export class Panel {
  #rpc;
  #element = byId('panel');
  #facts = byId('facts');
  #commands;
  #files;
  #log;
  #onClose;
  /** @type {Job | null} */
  #job = null;
  /** What the shown history stands for: it is read again when this changes. */
  #historyOf = '';

  /** @param {import('./rpc.js').Rpc} rpc @param {{ run(verb: string, job: Job): Promise<void>, onClose(id: string): void, onSchedule(job: Job): void }} handlers */
  constructor(rpc, handlers) {
    this.#rpc = rpc;
    this.#onClose = handlers.onClose;
    this.#files = new FilesView(rpc);
    this.#log = new LogView(rpc);
    this.#commands = new CommandBar(byId('panel-actions'), handlers.run, { isInPanel: true });
    byId('panel-schedule').addEventListener('click', () => this.#job && handlers.onSchedule(this.#job));
    byId('panel-close').addEventListener('click', () => this.close());
    document.addEventListener('keydown', (event) => {
      // In a dialog Esc closes the dialog, and in a search field it empties the field.
      if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]') && !isFilledSearch(event.target))
        this.close();
    });
  }

  /** The id of the job that is shown, or `null`. */
  get id() {
    return this.#job?.id ?? null;
  }

  /** @param {Job} job */
  open(job) {
    const isOther = job.id !== this.#job?.id;
    this.#element.hidden = false;
    if (isOther) {
      this.#historyOf = '';
      byId('history').replaceChildren();
      this.#files.close();
      // Only a transfer has files.
      setHidden(byId('files-section'), job.source === null);
      this.update(job);
      this.#log.open(job.id);
    }
    this.#element.scrollTop = 0;
    this.#element.focus();
  }

  /** @param {Job} job */
  update(job) {
    if (job === this.#job) return;
    this.#job = job;
    setText(byId('panel-name'), visible(job.name));
    if (this.#commands.update(job)) this.#element.focus();
    this.#showFacts(job);
    const historyOf = `${job.id} ${job.status} ${job.wanted} ${job.attempt} ${job.phase}`;
    if (historyOf !== this.#historyOf) {
      this.#historyOf = historyOf;
      void this.#readHistory(job.id, historyOf);
      if (job.source !== null && job.attempt > 0) this.#files.open(job.id);
    }
  }

  close() {
    const id = this.id;
    if (id === null) return;
    this.#job = null;
    this.#files.close();
    this.#log.close();
    this.#element.hidden = true;
    this.#onClose(id);
  }

  /** Fills the list of facts in place, so that a selection in it survives a progress update. @param {Job} job */
  #showFacts(job) {
    const all = facts(job);
    while (this.#facts.childElementCount > all.length * 2) this.#facts.lastElementChild?.remove();
    while (this.#facts.childElementCount < all.length * 2) this.#facts.append(make('dt'), make('dd'));
    all.forEach(([term, text], index) => {
      setText(/** @type {Element} */ (this.#facts.children[index * 2]), term);
      setText(/** @type {Element} */ (this.#facts.children[index * 2 + 1]), text);
    });
  }

  /** @param {string} id @param {string} historyOf */
  async #readHistory(id, historyOf) {
    try {
      const { history } = await this.#rpc.ask('jobs.history', { id });
      if (historyOf === this.#historyOf) byId('history').replaceChildren(...history.map(historyItem).reverse());
    } catch {
      // Read again with the next change, or when the panel is opened the next time.
      if (historyOf === this.#historyOf) this.#historyOf = '';
    }
  }
}

/** @param {{ at: string, verb: string, status: string, attempt: number, worker: string | null, note: string | null }} entry */
function historyItem(entry) {
  const item = make('li');
  const time = make('time', moment(entry.at));
  time.dateTime = entry.at;
  const about = [
    statusWord(entry.status),
    entry.attempt > 0 ? `attempt ${entry.attempt}` : '',
    entry.worker ? visible(entry.worker) : '',
    entry.note ? visible(entry.note) : '',
  ];
  item.append(time, ' ', make('b', entry.verb), ' ', make('span', about.filter(Boolean).join(' · '), 'muted'));
  return item;
}

/** @param {EventTarget | null} target */
const isFilledSearch = (target) => target instanceof HTMLInputElement && target.type === 'search' && target.value !== '';
