import { byId, setText } from './dom.js';
import { bytesOfMegabytes, rate } from './format.js';
import { messageOf } from './rpc.js';

/** The dialog with the bandwidth limit of all transfers together. */
export class BandwidthForm {
  #rpc;
  #dialog = /** @type {HTMLDialogElement} */ (byId('bandwidth'));
  #input = /** @type {HTMLInputElement} */ (byId('bandwidth-limit'));

  /** @param {import('./rpc.js').Rpc} rpc */
  constructor(rpc) {
    this.#rpc = rpc;
    byId('open-bandwidth').addEventListener('click', () => this.#open());
    byId('bandwidth-close').addEventListener('click', () => this.#dialog.close());
    byId('bandwidth-off').addEventListener('click', () => this.#set(0));
    byId('bandwidth-settings').addEventListener('click', () => this.#set(null));
    byId('bandwidth-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const limit = bytesOfMegabytes(this.#input.value);
      if (limit > 0) void this.#set(limit);
      else setText(byId('bandwidth-error'), 'Give a number of megabytes a second, as 2.5, or press No limit.');
    });
  }

  #open() {
    this.#dialog.showModal();
    void this.#ask('jobs.bandwidth', {});
  }

  /** @param {number | null} limit bytes a second; `null` as in the settings */
  #set(limit) {
    return this.#ask('jobs.set_bandwidth', { limit });
  }

  /** @param {string} method @param {object} params */
  async #ask(method, params) {
    setText(byId('bandwidth-error'), '');
    try {
      setText(byId('bandwidth-now'), words(await this.#rpc.ask(method, params)));
    } catch (error) {
      setText(byId('bandwidth-error'), messageOf(error));
    }
  }
}

/** @param {{ limit: number | object, from: 'request' | 'settings', bytesPerSecond: number }} answer */
function words({ limit, from, bytesPerSecond }) {
  const now = bytesPerSecond === 0 ? 'No limit holds now' : `At most ${rate(bytesPerSecond)} hold now`;
  const by = typeof limit === 'object' ? 'by a timetable' : '';
  return `${[now, by].filter(Boolean).join(' ')}, ${from === 'settings' ? 'from the settings' : 'set while it ran'}.`;
}
