/** Keys that a chunk holds before it is split in two. */
const CHUNK_KEYS = 512;

/**
 * A set of strings in ascending order. Adding, deleting and finding a place
 * cost a binary search and a short copy, so that lists and queues over a
 * million jobs stay quick. (Sorted chunks: simpler than a tree, and as fast here.)
 */
export class OrderedSet {
  #chunks: string[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(key: string): void {
    if (this.#chunks.length === 0) {
      this.#chunks.push([key]);
      this.#size = 1;
      return;
    }
    const index = Math.min(this.#chunkFor(key), this.#chunks.length - 1);
    const chunk = this.#chunks[index] as string[];
    const at = lowerBound(chunk, key);
    if (chunk[at] === key) return;
    if (at === chunk.length) chunk.push(key);
    else chunk.splice(at, 0, key);
    this.#size += 1;
    if (chunk.length > CHUNK_KEYS) this.#split(index);
  }

  delete(key: string): boolean {
    const index = this.#chunkFor(key);
    const chunk = this.#chunks[index];
    if (!chunk) return false;
    const at = lowerBound(chunk, key);
    if (chunk[at] !== key) return false;
    if (at === chunk.length - 1) chunk.pop();
    else chunk.splice(at, 1);
    if (chunk.length === 0) this.#chunks.splice(index, 1);
    this.#size -= 1;
    return true;
  }

  first(): string | undefined {
    return this.#chunks[0]?.[0];
  }

  /** Keys in order, from the first that is greater than `after`. Not to be changed while iterated. */
  *ascending(after?: string): Generator<string> {
    let index = after === undefined ? 0 : this.#chunkFor(after);
    let at = 0;
    if (after !== undefined && index < this.#chunks.length) {
      const chunk = this.#chunks[index] as string[];
      at = lowerBound(chunk, after);
      if (chunk[at] === after) at += 1;
    }
    for (; index < this.#chunks.length; index += 1, at = 0) {
      const chunk = this.#chunks[index] as string[];
      for (; at < chunk.length; at += 1) yield chunk[at] as string;
    }
  }

  /** Keys in reverse order, from the first that is less than `before`. */
  *descending(before?: string): Generator<string> {
    let index = before === undefined ? this.#chunks.length - 1 : Math.min(this.#chunkFor(before), this.#chunks.length - 1);
    let at = before === undefined || index < 0 ? undefined : lowerBound(this.#chunks[index] as string[], before) - 1;
    for (; index >= 0; index -= 1, at = undefined) {
      const chunk = this.#chunks[index] as string[];
      for (at ??= chunk.length - 1; at >= 0; at -= 1) yield chunk[at] as string;
    }
  }

  /** The first chunk whose last key is not less than `key`. */
  #chunkFor(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle] as string[];
      if ((chunk[chunk.length - 1] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Keys mostly come in ascending order: a full last chunk is left full and a new one begun. */
  #split(index: number): void {
    const chunk = this.#chunks[index] as string[];
    const isLast = index === this.#chunks.length - 1;
    const rest = chunk.splice(isLast ? chunk.length - 1 : chunk.length >>> 1);
    this.#chunks.splice(index + 1, 0, rest);
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
