import { byId, setText } from './dom.js';

/** The dialog that makes a new copy. `onMade` is given the job. */
export class CopyForm {
  #rpc;
  #dialog = /** @type {HTMLDialogElement} */ (byId('copy-dialog'));
  #form = /** @type {HTMLFormElement} */ (byId('copy-form'));
  #onMade;
  /** The last body sent without a clear answer, and its key: the same body again is the same job. */
  #unclear = { text: '', key: '' };
  #isSending = false;

  /** @param {import('./rpc.js').Rpc} rpc @param {(job: import('../../actors/job.js').Job) => void} onMade */
  constructor(rpc, onMade) {
    this.#rpc = rpc;
    this.#onMade = onMade;
    byId('new-copy').addEventListener('click', () => this.#dialog.showModal());
    byId('copy-cancel').addEventListener('click', () => this.#dialog.close());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!this.#isSending) void this.#send();
    });
  }

  async #send() {
    const body = bodyOf(new FormData(this.#form));
    const missing = ['source', 'destination'].find((field) => body[field] === '');
    this.#showError('', null);
    if (missing) return this.#showError(`Fill in the ${missing}: an absolute path, as /home/ada/photos/.`, missing);
    const text = JSON.stringify(body);
    const idempotencyKey = text === this.#unclear.text ? this.#unclear.key : crypto.randomUUID();
    this.#isSending = true;
    try {
      const job = await this.#rpc.ask('jobs.create', { ...body, idempotencyKey });
      this.#unclear = { text: '', key: '' };
      this.#dialog.close();
      this.#form.reset();
      this.#onMade(job);
    } catch (error) {
      const { message, executed, details } = /** @type {import('./rpc.js').RpcError} */ (error);
      if (executed === 'unknown') this.#unclear = { text, key: idempotencyKey };
      this.#showError(
        executed === 'unknown' ? `${message} Press Copy again: it will not be made twice.` : message,
        inputOf(details['field']),
      );
    } finally {
      this.#isSending = false;
    }
  }

  /** @param {string} message @param {unknown} field the one to correct */
  #showError(message, field) {
    setText(byId('copy-error'), message);
    for (const input of this.#form.querySelectorAll('input, textarea, select')) {
      if (input.getAttribute('name') !== field) input.removeAttribute('aria-invalid');
      else {
        input.setAttribute('aria-invalid', 'true');
        /** @type {HTMLElement} */ (input).focus();
      }
    }
  }
}

/** The input that a field of the request comes from: `options.excludes[0]` is `excludes`. @param {unknown} field */
const inputOf = (field) => String(field).replace(/^options\.|\[.*$/g, '');

/** @param {FormData} data @returns {Record<string, any>} */
function bodyOf(data) {
  const text = (/** @type {string} */ name) => String(data.get(name) ?? '').trim();
  const excludes = String(data.get('excludes') ?? '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  return {
    type: 'rsync',
    ...(text('name') ? { name: text('name') } : {}),
    // A path may begin or end with a blank: it is sent as it was written.
    source: String(data.get('source') ?? ''),
    destination: String(data.get('destination') ?? ''),
    options: { excludes, verify: text('verify') },
  };
}
