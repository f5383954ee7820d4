import { confirmed } from './confirm.js';
import { make, setHidden } from './dom.js';
import { visible } from './format.js';
import { COMMANDS } from './words.js';

/** @typedef {import('../../actors/job.js').Job} Job */

/** The buttons of one job. All of them are always there and the illegal ones hidden, so that a button under the pointer does not turn into another. */
export class CommandBar {
  /** @type {Map<string, HTMLButtonElement>} */
  #buttons = new Map();
  /** @type {Job | undefined} */
  #job;

  /** @param {HTMLElement} element @param {(name: string, job: Job) => Promise<void>} run @param {{ isInPanel?: boolean }} [where] */
  constructor(element, run, { isInPanel = false } = {}) {
    for (const [name, command] of Object.entries(COMMANDS)) {
      if (command.isInPanelOnly && !isInPanel) continue;
      const button = make('button', command.label, command.danger ? 'small quiet danger' : 'small');
      button.type = 'button';
      button.dataset['command'] = name;
      button.addEventListener('click', async () => {
        const job = this.#job;
        if (!job || button.getAttribute('aria-disabled') === 'true' || !(await isConfirmed(command, job))) return;
        // Not `disabled`, which would throw the keyboard's focus away.
        button.setAttribute('aria-disabled', 'true');
        await run(name, job).finally(() => button.removeAttribute('aria-disabled'));
      });
      this.#buttons.set(name, button);
      element.append(button);
    }
  }

  /** Shows what is legal now. Gives whether the focused button has gone. @param {Job} job */
  update(job) {
    this.#job = job;
    let lostFocus = false;
    for (const [name, button] of this.#buttons) {
      const hidden = !COMMANDS[name]?.isLegal(job);
      lostFocus ||= hidden && button === document.activeElement;
      setHidden(button, hidden);
      const label = `${COMMANDS[name]?.label} ${visible(job.name)}`;
      if (button.getAttribute('aria-label') !== label) button.setAttribute('aria-label', label);
    }
    return lostFocus;
  }
}

/** @param {import('./words.js').Command} command @param {Job} job @returns {Promise<boolean>} */
function isConfirmed(command, job) {
  const { confirm, label, yes = `${label} it` } = command;
  if (!confirm) return Promise.resolve(true);
  const text = typeof confirm.text === 'string' ? confirm.text : confirm.text(job);
  return confirmed({ ...confirm, text: `${visible(job.name)}. ${text}`, yes });
}
