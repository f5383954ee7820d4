/** Something that stays open until its client leaves: a WebSocket or a stream of events. */
export interface Closable {
  /** The gateway ends: say goodbye. */
  close(): void;
}

/** Everything that is open in one gateway, so that closing can end it. */
export class LongLived {
  readonly #open = new Set<Closable>();

  add(item: Closable): void {
    this.#open.add(item);
  }

  remove(item: Closable): void {
    this.#open.delete(item);
  }

  get count(): number {
    return this.#open.size;
  }

  closeAll(): void {
    for (const item of this.#open) item.close();
  }
}
