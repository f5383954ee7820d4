import { CommandBar } from './command-bar.js';
import { byId, partsOf, setHidden, setText } from './dom.js';
import { visible } from './format.js';
import { badge, figures, hasBar, note, route } from './words.js';

/** @typedef {import('../../actors/job.js').Job} Job */

/** One line of the list. `update` touches only what differs from what is shown. */
export class Row {
  #parts;
  #commands;
  /** @type {Job | undefined} */
  #shown;

  /** @param {Job} job @param {{ open(id: string): void, run(verb: string, job: Job): Promise<void> }} handlers */
  constructor(job, handlers) {
    const template = /** @type {HTMLTemplateElement} */ (byId('row-template'));
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = /** @type {HTMLTableRowElement} */ (fragment.firstElementChild);
    this.element.dataset['id'] = job.id;
    this.#parts = partsOf(this.element);
    this.#parts['open'].addEventListener('click', () => handlers.open(job.id));
    this.#commands = new CommandBar(this.#parts['actions'], handlers.run);
    this.update(job);
  }

  /** @param {Job} job */
  update(job) {
    if (job === this.#shown) return;
    this.#shown = job;
    const parts = this.#parts;
    const { word, look } = badge(job);
    setText(parts['name'], visible(job.name));
    setText(parts['route'], route(job));
    if (parts['badge'].dataset.look !== look) {
      parts['badge'].dataset.look = look;
      parts['icon'].setAttribute('href', `#icon-${look}`);
    }
    setText(parts['word'], word);
    setText(parts['note'], note(job));
    setText(parts['figures'], figures(job));
    setText(parts['file'], job.status === 'running' && job.progress.currentFile !== null ? visible(job.progress.currentFile) : '');
    setText(
      parts['error'],
      job.error && ['failed', 'queued', 'paused'].includes(job.status) ? visible(job.error.message) : visible(job.warnings[0] ?? ''),
    );
    parts['error'].classList.toggle('warning', job.error === null);
    setText(parts['advice'], job.error?.advice && ['failed', 'paused'].includes(job.status) ? visible(job.error.advice) : '');
    showBar(parts['bar'], job);
    if (this.#commands.update(job)) this.focus();
  }

  focus() {
    this.#parts['open'].focus();
  }
}

/** @param {HTMLProgressElement} bar @param {Job} job */
function showBar(bar, job) {
  setHidden(bar, !hasBar(job));
  if (bar.hidden) return;
  const label = `${visible(job.name)}: ${note(job) || badge(job).word}`;
  if (bar.getAttribute('aria-label') !== label) bar.setAttribute('aria-label', label);
  // Without a value the bar only shows that something is done: that is what is known.
  if (job.progress.percent === null) bar.removeAttribute('value');
  else bar.value = job.progress.percent;
}
