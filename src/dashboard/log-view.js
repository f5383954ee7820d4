import { byId, make, setText } from './dom.js';
import { moment, visible } from './format.js';
import { messageOf } from './rpc.js';

const LINES_PER_ASK = 1000;
const LINES_KEPT = 1000;
const WAIT_MS = 10_000;
const TYPING_MS = 300;

/** @typedef {{ seq: number, at: string, attempt: number, level: string, stream: string, text: string }} LogLine */

/** The log of one job, filtered, following what is written. The page keeps its newest lines only. */
export class LogView {
  #rpc;
  #lines = byId('log');
  #scroll = byId('log-scroll');
  #level = /** @type {HTMLSelectElement} */ (byId('log-level'));
  #text = /** @type {HTMLInputElement} */ (byId('log-text'));
  /** What is followed now: another object each time, so that an answer to an older one is known as such. @type {{ id: string } | null} */
  #following = null;

  /** @param {import('./rpc.js').Rpc} rpc */
  constructor(rpc) {
    this.#rpc = rpc;
    let typing = 0;
    byId('log-filter').addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#following && this.open(this.#following.id), TYPING_MS);
    });
    byId('log-filter').addEventListener('submit', (event) => event.preventDefault());
  }

  /** @param {string} id */
  open(id) {
    this.#lines.replaceChildren();
    setText(byId('log-note'), 'Reading the log…');
    byId('log-whole').setAttribute('href', `/v1/jobs/${encodeURIComponent(id)}/log`);
    this.#following = { id };
    void this.#follow(this.#following);
  }

  close() {
    this.#following = null;
  }

  /** @param {{ id: string }} following */
  async #follow(following) {
    const text = this.#text.value.trim();
    const query = { id: following.id, level: this.#level.value, limit: LINES_PER_ASK, ...(text ? { text } : {}) };
    let after = 0;
    // The first ask does not wait, so that an empty log is said to be empty at once.
    let waitMs = 0;
    while (following === this.#following) {
      try {
        const { lines, last } = await this.#rpc.ask('jobs.logs', { ...query, after, waitMs }, WAIT_MS * 3);
        if (following !== this.#following) return;
        after = last;
        waitMs = WAIT_MS;
        this.#append(lines);
      } catch (error) {
        if (following !== this.#following) return;
        setText(byId('log-note'), `The log cannot be read now: ${messageOf(error)}`);
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    }
  }

  /** @param {LogLine[]} lines */
  #append(lines) {
    const isAtEnd = this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < 40;
    this.#lines.append(...lines.slice(-LINES_KEPT).map(lineElement));
    const tooMany = this.#lines.childElementCount - LINES_KEPT;
    for (let i = 0; i < tooMany; i += 1) this.#lines.firstElementChild?.remove();
    const shown = this.#lines.childElementCount;
    setText(
      byId('log-note'),
      shown === 0 ? 'No lines yet.' : shown === LINES_KEPT ? `The newest ${LINES_KEPT} lines; the whole log has more.` : '',
    );
    if (isAtEnd) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}

/** @param {LogLine} line */
function lineElement(line) {
  const item = make('li');
  item.dataset['level'] = line.level;
  const time = make('time', moment(line.at));
  time.dateTime = line.at;
  item.append(time, ' ');
  if (line.level === 'warning' || line.level === 'error') item.append(make('b', line.level), ' ');
  item.append(make('span', visible(line.text)));
  return item;
}
