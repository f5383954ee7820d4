import { byId, make, setText } from './dom.js';

const SPEAK_EVERY_MS = 2500;
const SPOKEN_ONE_BY_ONE = 3;
const NOTICES_KEPT = 3;

/** @type {string[]} */
let waiting = [];
let timer = 0;

/** Tells a screen reader, without chatter: what comes together is said together, and many are only counted. @param {string} text */
export function say(text) {
  if (text === '') return;
  waiting.push(text);
  timer ||= setTimeout(() => {
    setText(byId('announcer'), waiting.length > SPOKEN_ONE_BY_ONE ? `${waiting.length} jobs changed` : waiting.join('. '));
    waiting = [];
    timer = 0;
  }, SPEAK_EVERY_MS);
}

/** Shows what went wrong until somebody closes it. @param {string} text */
export function notice(text) {
  const notices = byId('notices');
  if (notices.lastElementChild?.firstElementChild?.textContent === text) return;
  const close = make('button', 'Close', 'small');
  close.type = 'button';
  const item = make('p', '', 'notice');
  item.append(make('span', text), close);
  close.addEventListener('click', () => item.remove());
  notices.append(item);
  if (notices.childElementCount > NOTICES_KEPT) notices.firstElementChild?.remove();
}
