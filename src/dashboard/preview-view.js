import { byId, make, setHidden, setText } from './dom.js';
import { bytes, count, plural, visible } from './format.js';

const NAMES_SHOWN = 200;

/** @type {Record<string, string>} */
const WORDS = { create: 'made', change: 'changed', delete: 'deleted' };

/**
 * @typedef {{ files: number, folders: number, bytes: number | null }} Amount
 * @typedef {{ previewId: string, counts: { create: Amount, change: Amount, delete: Amount, skip: { files: number, folders: number }, equal: { files: number } },
 *   names: { change: string, path: string, bytes: number | null }[], truncated: boolean, unusedPatterns: string[], commandText: string,
 *   findings: { message: string, advice: string | null }[] }} Preview
 */

/** What a transfer would do, in the form that makes it. */
export class PreviewView {
  #section = byId('preview');
  #names = byId('preview-names');

  constructor() {
    byId('preview-copy').addEventListener('click', () => navigator.clipboard.writeText(byId('preview-command').textContent ?? ''));
  }

  hide() {
    this.#section.hidden = true;
  }

  /** @param {Preview} preview */
  show(preview) {
    const { names, truncated, commandText } = preview;
    setText(byId('preview-summary'), summary(preview));
    byId('preview-findings').replaceChildren(...warnings(preview).map((text) => make('li', text)));
    this.#names.replaceChildren(...names.slice(0, NAMES_SHOWN).map(nameItem));
    const isMore = truncated || names.length > NAMES_SHOWN;
    setText(byId('preview-more'), isMore ? `The first ${count(Math.min(names.length, NAMES_SHOWN))} names; there are more.` : '');
    setText(byId('preview-command'), commandText);
    setHidden(this.#section, false);
    this.#section.scrollIntoView({ block: 'nearest' });
  }
}

/** `12 files made (3.40 MB), 1 changed, 2 deleted; 30 are the same already.` @param {Preview} preview */
function summary({ counts }) {
  const { create, change, delete: deleted, equal, skip } = counts;
  const changes = [amount(create, 'made'), amount(change, 'changed'), amount(deleted, 'deleted')].filter(Boolean);
  const rest = [
    equal.files > 0 ? `${count(equal.files)} the same already` : '',
    skip.files + skip.folders > 0 ? `${count(skip.files + skip.folders)} left out by the patterns` : '',
  ].filter(Boolean);
  return `${[changes.join(', ') || 'Nothing is to be done', ...rest].join('; ')}.`;
}

/** @param {Amount} amount @param {string} word */
function amount({ files, folders, bytes: size }, word) {
  if (files + folders === 0) return '';
  const what = [files > 0 ? plural(files, 'file') : '', folders > 0 ? plural(folders, 'folder') : ''].filter(Boolean).join(' and ');
  return `${what} ${word}${size ? ` (${bytes(size)})` : ''}`;
}

/** @param {Preview} preview */
function warnings({ findings, unusedPatterns }) {
  return [
    ...findings.map(({ message, advice }) => visible([message, advice].filter(Boolean).join(' '))),
    ...unusedPatterns.map((pattern) => `Nothing matches the pattern ${visible(pattern)}.`),
  ];
}

/** @param {Preview['names'][number]} name */
function nameItem({ change, path, bytes: size }) {
  const item = make('li');
  item.dataset['change'] = change;
  item.append(make('b', WORDS[change] ?? change), ' ', visible(path), ' ', make('span', size === null ? '' : bytes(size), 'muted'));
  return item;
}
