import { byId, setText, showOnly } from './dom.js';
import { bytesOfMegabytes } from './format.js';
import { PreviewView } from './preview-view.js';

const PREVIEW_TIMEOUT_MS = 70_000;

/** @typedef {import('./rpc.js').RpcError} RpcError */

/** The dialog that makes a new copy, mirror or move, and shows before what it would do. `onMade` is given the job. */
export class CopyForm {
  #rpc;
  #dialog = /** @type {HTMLDialogElement} */ (byId('copy-dialog'));
  #form = /** @type {HTMLFormElement} */ (byId('copy-form'));
  #view = new PreviewView();
  #onMade;
  /** The last body sent without a clear answer, and its key: the same body again is the same job. */
  #unclear = { text: '', key: '' };
  /** The body that was previewed last, and the preview's id. */
  #previewed = { text: '', id: '' };
  #isSending = false;

  /** @param {import('./rpc.js').Rpc} rpc @param {(job: import('../../actors/job.js').Job) => void} onMade */
  constructor(rpc, onMade) {
    this.#rpc = rpc;
    this.#onMade = onMade;
    byId('new-copy').addEventListener('click', () => this.#dialog.showModal());
    byId('copy-cancel').addEventListener('click', () => this.#dialog.close());
    byId('copy-preview').addEventListener('click', () => this.#send(() => this.#preview()));
    this.#form.addEventListener('input', () => this.#showChoice());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(() => this.#create());
    });
    this.#showChoice();
  }

  /** Shows what goes with the chosen kind of transfer, and no preview of another one. */
  #showChoice() {
    const doing = String(new FormData(this.#form).get('doing'));
    showOnly(this.#form, doing);
    setText(byId('copy-submit'), `${doing.charAt(0).toUpperCase()}${doing.slice(1)}`);
    if (this.#previewed.text !== JSON.stringify(this.#body())) this.#view.hide();
  }

  #body() {
    return bodyOf(new FormData(this.#form));
  }

  /** One at a time. @param {() => Promise<void>} act */
  async #send(act) {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#showError('', null);
    try {
      const missing = this.#missing();
      if (missing) this.#showError(missing.message, missing.field);
      else await act();
    } catch (error) {
      const { message, details } = /** @type {RpcError} */ (error);
      this.#showError(message, inputOf(details?.['field']));
    } finally {
      this.#isSending = false;
    }
  }

  #missing() {
    const body = this.#body();
    const field = ['source', 'destination'].find((name) => body[name] === '');
    if (field) return { field, message: `Fill in the ${field}: an absolute path, as /home/ada/photos/.` };
    const { deleteSource } = body['options'];
    if (deleteSource && !deleteSource.confirmed)
      return { field: 'confirmed', message: 'Say yes to the deletion of the source files, or choose Copy.' };
    return null;
  }

  async #preview() {
    const body = this.#body();
    const text = JSON.stringify(body);
    setText(byId('copy-note'), 'Looking at both sides…');
    try {
      const preview = await this.#rpc.ask('jobs.preview', body, PREVIEW_TIMEOUT_MS);
      this.#previewed = { text, id: preview.previewId };
      if (text === JSON.stringify(this.#body())) this.#view.show(preview);
    } finally {
      setText(byId('copy-note'), '');
    }
  }

  async #create() {
    const body = this.#body();
    const text = JSON.stringify(body);
    const isPreviewed = this.#previewed.text === text;
    if (body['options'].deleteExtraneous && !isPreviewed) {
      await this.#preview();
      setText(byId('copy-note'), 'That is what it would do. Press Mirror again to do no more than this.');
      return;
    }
    const idempotencyKey = text === this.#unclear.text ? this.#unclear.key : crypto.randomUUID();
    try {
      const job = await this.#rpc.ask('jobs.create', { ...body, ...(isPreviewed && { previewId: this.#previewed.id }), idempotencyKey });
      this.#unclear = { text: '', key: '' };
      this.#previewed = { text: '', id: '' };
      this.#dialog.close();
      this.#form.reset();
      this.#showChoice();
      this.#onMade(job);
    } catch (error) {
      const { code, executed, message } = /** @type {RpcError} */ (error);
      if (code === 'preview_stale') this.#previewed = { text: '', id: '' };
      if (executed !== 'unknown') throw error;
      this.#unclear = { text, key: idempotencyKey };
      this.#showError(`${message} Press the button again: it will not be made twice.`, null);
    }
  }

  /** @param {string} message @param {unknown} field the one to correct */
  #showError(message, field) {
    setText(byId('copy-error'), message);
    setText(byId('copy-note'), '');
    for (const input of this.#form.querySelectorAll('input, textarea, select')) {
      if (input.getAttribute('name') !== field) input.removeAttribute('aria-invalid');
      else {
        input.setAttribute('aria-invalid', 'true');
        input.closest('details')?.setAttribute('open', '');
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
  const lines = (/** @type {string} */ name) =>
    String(data.get(name) ?? '')
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '');
  const doing = text('doing');
  return {
    type: text('type'),
    ...(text('name') ? { name: text('name') } : {}),
    // A path may begin or end with a blank: it is sent as it was written.
    source: String(data.get('source') ?? ''),
    destination: String(data.get('destination') ?? ''),
    options: {
      excludes: lines('excludes'),
      verify: doing === 'move' ? 'checksum' : text('verify'),
      ...(text('bandwidthLimit') && { bandwidthLimit: bytesOfMegabytes(text('bandwidthLimit')) }),
      ...(data.get('whenAway') === 'wait' && { whenAway: 'wait' }),
      ...(doing === 'mirror' && { deleteExtraneous: true, maxDelete: Number(text('maxDelete')) }),
      ...(doing === 'move' && { deleteSource: { mode: 'per_file', confirmed: data.get('confirmed') === 'yes' } }),
    },
  };
}
