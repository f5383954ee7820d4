import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * An open folder. What is in it is reached through its handle, so that nobody
 * can put a symbolic link in the way between a look and a deletion. Node has no
 * `openat`; on Linux a path below `/proc/self/fd` does the same. Elsewhere the
 * folder's own path is used: there a link put in the way in that moment is followed.
 */
export class Folder {
  readonly #handle: FileHandle;
  readonly #path: Buffer;

  private constructor(handle: FileHandle, path: Buffer) {
    this.#handle = handle;
    this.#path = path;
  }

  /** Rejects when the last part of `path` is no folder, or a link. */
  static async open(path: Buffer): Promise<Folder> {
    const handle = await open(path, FLAGS);
    return new Folder(handle, process.platform === 'linux' ? Buffer.from(`/proc/self/fd/${handle.fd}`) : path);
  }

  /** The path by which `name` in this folder is reached. `name` is one part of a path. */
  at(name: Buffer): Buffer {
    return Buffer.concat([this.#path, Buffer.from('/'), name]);
  }

  enter(name: Buffer): Promise<Folder> {
    return Folder.open(this.at(name));
  }

  /** Its entries are on the disk when this resolves. */
  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Reaches the folders of a tree one after the other and keeps those open that
 * lead to the last one. Paths are relative to the root, byte by byte (latin1).
 */
export class FolderWalk {
  readonly #root: string;
  #open: { name: string; folder: Folder }[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** The folder that holds `path`, and the last part of it. */
  async holderOf(path: string): Promise<{ folder: Folder; name: Buffer }> {
    const parts = path.split('/');
    const name = parts.pop() ?? '';
    return { folder: await this.#reach(['', ...parts]), name: Buffer.from(name, 'latin1') };
  }

  async close(): Promise<void> {
    for (const { folder } of this.#open.splice(0).reverse()) await folder.close();
  }

  async #reach(parts: readonly string[]): Promise<Folder> {
    const differs = this.#open.findIndex(({ name }, index) => name !== parts[index]);
    const keep = differs < 0 ? Math.min(this.#open.length, parts.length) : differs;
    for (const { folder } of this.#open.splice(keep).reverse()) await folder.close();
    for (const name of parts.slice(keep)) {
      const holder = this.#open.at(-1)?.folder;
      const folder = holder ? await holder.enter(Buffer.from(name, 'latin1')) : await Folder.open(Buffer.from(this.#root));
      this.#open.push({ name, folder });
    }
    return this.#open.at(-1)?.folder as Folder;
  }
}
