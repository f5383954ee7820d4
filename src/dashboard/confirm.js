import { byId, setText } from './dom.js';

/**
 * Asks before something is done that cannot be undone. Resolves with whether the answer is yes.
 * @param {{ title: string, text: string, no: string, yes: string }} words
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, no, yes }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('confirm'));
  setText(byId('confirm-title'), title);
  setText(byId('confirm-text'), text);
  setText(byId('confirm-no'), no);
  setText(byId('confirm-yes'), yes);
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }));
}
