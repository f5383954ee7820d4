import { byId, setHidden, setText } from './dom.js';
import { count } from './format.js';
import { Row } from './row.js';

/** @typedef {import('../../actors/job.js').Job} Job */

const STEP = 100;

/** The table: at most so many rows as were asked for, and only what changed is touched. */
export class Rows {
  #body = byId('rows');
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #wanted = STEP;
  #handlers;

  /** @param {{ open(id: string): void, run(verb: string, job: Job): Promise<void>, onMore(): void }} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    byId('show-more').addEventListener('click', () => {
      this.#wanted += STEP;
      handlers.onMore();
    });
  }

  /** @param {Job[]} jobs those that pass the filter, in order */
  show(jobs) {
    const shown = jobs.slice(0, this.#wanted);
    this.#dropAllBut(new Set(shown.map((job) => job.id)));
    let place = this.#body.firstElementChild;
    for (const job of shown) {
      let row = this.#rows.get(job.id);
      if (row) row.update(job);
      else this.#rows.set(job.id, (row = new Row(job, this.#handlers)));
      // A row that is in its place is left there: moving it would take the focus from it.
      if (row.element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(row.element, place);
    }
    setHidden(/** @type {HTMLElement} */ (this.#body.parentElement), shown.length === 0);
    setHidden(/** @type {HTMLElement} */ (byId('shown').parentElement), jobs.length <= shown.length);
    setText(byId('shown'), `${count(shown.length)} of ${count(jobs.length)} jobs are shown.`);
  }

  /** Back to the first rows, as for another filter. */
  startOver() {
    this.#wanted = STEP;
  }

  /** @param {string} id @param {boolean} isCurrent whether the panel shows it */
  mark(id, isCurrent) {
    const element = this.#rows.get(id)?.element;
    if (isCurrent) element?.setAttribute('aria-current', 'true');
    else element?.removeAttribute('aria-current');
  }

  /** Brings the row back into view where another layout has moved it away. @param {string} id */
  reveal(id) {
    this.#rows.get(id)?.element.scrollIntoView({ block: 'nearest' });
  }

  /** Puts the focus on the row, or on the list where that row is not shown. @param {string} id */
  focus(id) {
    const row = this.#rows.get(id);
    if (row) row.focus();
    else byId('jobs').focus();
  }

  /** @param {Set<string>} ids */
  #dropAllBut(ids) {
    let focusGone = false;
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      focusGone ||= row.element.contains(document.activeElement);
      row.element.remove();
      this.#rows.delete(id);
    }
    if (focusGone) byId('jobs').focus();
  }
}
