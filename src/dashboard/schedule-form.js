import { byId, setHidden, setText, showOnly } from './dom.js';
import { visible } from './format.js';
import { messageOf } from './rpc.js';
import { deletionOf } from './words.js';

/** @typedef {import('../../actors/job.js').Job} Job */

/** The dialog that puts what a job did on a schedule. */
export class ScheduleForm {
  #rpc;
  #dialog = /** @type {HTMLDialogElement} */ (byId('schedule-dialog'));
  #form = /** @type {HTMLFormElement} */ (byId('schedule-form'));
  #onMade;
  /** @type {Job | null} */
  #job = null;
  /** Of the body that was sent without a clear answer: the same again is the same schedule. */
  #key = { text: '', key: '' };

  /** @param {import('./rpc.js').Rpc} rpc @param {() => void} onMade */
  constructor(rpc, onMade) {
    this.#rpc = rpc;
    this.#onMade = onMade;
    byId('schedule-cancel').addEventListener('click', () => this.#dialog.close());
    this.#form.addEventListener('input', () => this.#showChoice());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send();
    });
  }

  /** @param {Job} job */
  open(job) {
    this.#job = job;
    this.#form.reset();
    this.#field('name').value = job.name;
    this.#field('timeZone').value = Intl.DateTimeFormat().resolvedOptions().timeZone;
    setText(byId('schedule-error'), '');
    this.#showChoice();
    this.#dialog.showModal();
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  #showChoice() {
    showOnly(this.#form, this.#field('often').value);
    setHidden(byId('schedule-deletes'), this.#job === null || deletionOf(this.#job) === null);
  }

  async #send() {
    const job = this.#job;
    if (!job) return;
    const deleteSource = deletionOf(job);
    if (deleteSource && !this.#field('deletes').checked) {
      setText(byId('schedule-error'), 'Say yes to the deletion of the source files: every run deletes those that it has proved.');
      return;
    }
    const { deadlineAt: _deadlineAt, ...options } = /** @type {Record<string, any>} */ (job.options);
    const body = {
      name: this.#field('name').value.trim(),
      cron: this.#cron(),
      timeZone: this.#field('timeZone').value.trim(),
      overlap: this.#field('overlap').value,
      job: {
        type: job.type,
        labels: job.labels,
        priority: job.priority,
        ...(job.source === null ? { input: job.input } : { source: job.source, destination: job.destination }),
        options: { ...options, ...(deleteSource && { deleteSource: { ...deleteSource, confirmed: true } }) },
      },
    };
    const text = JSON.stringify(body);
    if (this.#key.text !== text) this.#key = { text, key: crypto.randomUUID() };
    try {
      await this.#rpc.ask('jobs.schedule_create', { ...body, idempotencyKey: this.#key.key });
      this.#dialog.close();
      this.#onMade();
    } catch (error) {
      setText(byId('schedule-error'), visible(messageOf(error)));
    }
  }

  #cron() {
    const often = this.#field('often').value;
    if (often === 'cron') return this.#field('cron').value.trim();
    if (often === 'hour') return '@hourly';
    const [hour = '0', minute = '0'] = this.#field('time').value.split(':');
    return `${Number(minute)} ${Number(hour)} * * ${often === 'week' ? this.#field('day').value : '*'}`;
  }
}
