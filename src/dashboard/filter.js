import { byId, make, setText } from './dom.js';
import { count } from './format.js';
import { STATUSES } from './job-list.js';
import { statusWord } from './words.js';

/** The filter by status and text. It stands in the address, so that a reload or a bookmark keeps it. */
export class Filter {
  #text = /** @type {HTMLInputElement} */ (byId('text'));
  /** @type {Map<string, { input: HTMLInputElement, count: HTMLElement }>} */
  #choices = new Map();
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    for (const status of ['', ...STATUSES]) this.#addChoice(status);
    const { status, text } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    this.#set(status ?? '', text ?? '');
    byId('filter').addEventListener('input', () => this.#changed());
    byId('filter').addEventListener('submit', (event) => event.preventDefault());
    byId('clear-filter').addEventListener('click', () => {
      this.#set('', '');
      this.#changed();
      this.#text.focus();
    });
  }

  get value() {
    const chosen = [...this.#choices].find(([, choice]) => choice.input.checked);
    return { status: chosen?.[0] ?? '', text: this.#text.value };
  }

  /** @param {Record<string, number>} counts by status, '' for all */
  showCounts(counts) {
    for (const [status, choice] of this.#choices) setText(choice.count, count(counts[status] ?? 0));
  }

  /** @param {string} status */
  #addChoice(status) {
    const input = make('input');
    input.type = 'radio';
    input.name = 'status';
    const label = make('label', '', 'choice');
    label.dataset['look'] = status;
    const number = make('span', '0', 'count');
    label.append(input, make('span', status === '' ? 'All' : statusWord(status)), ' ', number);
    byId('statuses').append(label);
    this.#choices.set(status, { input, count: number });
  }

  /** @param {string} status @param {string} text */
  #set(status, text) {
    const choice = this.#choices.get(status) ?? this.#choices.get('');
    if (choice) choice.input.checked = true;
    this.#text.value = text;
  }

  #changed() {
    const set = Object.entries(this.value).filter(([, value]) => value !== '');
    history.replaceState(null, '', set.length === 0 ? location.pathname : `#${new URLSearchParams(set)}`);
    this.#onChange();
  }
}
