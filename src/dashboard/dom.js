/** The few helpers that all of the page uses. Data reaches the page as text only, never as markup. */

/**
 * The element of the page with this id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element #${id}.`);
  return /** @type {T} */ (found);
}

/**
 * The elements of `root` that are marked with `data-part`, by that name.
 * @param {ParentNode} root
 * @returns {Record<string, any>}
 */
export function partsOf(root) {
  return Object.fromEntries([...root.querySelectorAll('[data-part]')].map((node) => [node.getAttribute('data-part'), node]));
}

/**
 * Makes an element with text in it.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [text]
 * @param {string} [className]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, text = '', className = '') {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

/** Writes only what differs, so that a screen reader and the layout are left alone. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {HTMLElement} node @param {boolean} hidden */
export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** Of the parts marked with `data-of` shows those that go with `word`. @param {ParentNode} root @param {string} word */
export function showOnly(root, word) {
  for (const part of root.querySelectorAll('[data-of]')) {
    setHidden(/** @type {HTMLElement} */ (part), !part.getAttribute('data-of')?.split(' ').includes(word));
  }
}
