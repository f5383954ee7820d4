import { lstat, mkdir, opendir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { within } from './byte-path.js';
import { EngineFailed } from './engine.js';
import { CAUSE_OF_ERRNO, FailureCauses } from './failure-causes.js';

/** What the names of staging folders begin with; a folder of such a name in a source is not copied. */
export const STAGING_PREFIX = '.tallyman-rclone-';
/** Of empty files that show whether two folders are one; neither are they copied. */
export const PROBE_PREFIX = '.tallyman-probe-';

/**
 * A folder beside the final place, for a program that writes files under their
 * final names: it copies into this folder, and whole files are moved in by
 * renaming them. So at the final place stands the old file or the new one,
 * whenever the program is killed and however full the disk is.
 */
export class Staging {
  /** Where the program copies to. */
  readonly files: string;
  readonly #folder: string;
  readonly #final: string;
  readonly #begun: string;

  /** `final` is the folder that the files are moved into. */
  constructor(final: string, jobId: string) {
    this.#final = final;
    this.#folder = path.join(final, `${STAGING_PREFIX}${jobId}`);
    this.files = path.join(this.#folder, 'files');
    this.#begun = path.join(this.#folder, 'begun');
  }

  /** Also takes up what an attempt left that was killed. */
  async begin(): Promise<void> {
    await explained(async () => {
      await mkdir(this.files, { recursive: true });
      await writeFile(this.#begun, '', { flag: 'wx' }).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    });
  }

  /** Everything is whole: moves all of it to its final place. */
  async moveAll(): Promise<void> {
    await explained(async () => {
      await moveInto(Buffer.from(this.files), Buffer.from(this.#final), Number.POSITIVE_INFINITY);
      await this.#remove();
    });
  }

  /**
   * Moves the files that are whole, answers their paths byte by byte (latin1), and removes the others. The time of a file is
   * set when its last byte is written: one of the time of the copy, which is later
   * than its begin, may be half a file.
   */
  async moveWhole(): Promise<ReadonlySet<string>> {
    const moved = new Set<string>();
    const base = Buffer.byteLength(this.files) + 1;
    await explained(async () => {
      const { mtimeMs } = await lstat(this.#begun);
      await moveInto(Buffer.from(this.files), Buffer.from(this.#final), mtimeMs, (file) =>
        moved.add(file.subarray(base).toString('latin1')),
      );
      await this.#remove();
    });
    return moved;
  }

  async #remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Names are bytes here: they may be no UTF-8. Only entries changed before `beforeMs` are moved. */
async function moveInto(from: Buffer, to: Buffer, beforeMs: number, onMoved?: (file: Buffer) => void): Promise<void> {
  for await (const entry of await opendir(from, { encoding: 'buffer' as BufferEncoding })) {
    const name = entry.name as unknown as Buffer;
    const [source, target] = [within(from, name), within(to, name)];
    if (entry.isDirectory()) {
      if (beforeMs === Number.POSITIVE_INFINITY && (await isMissing(target))) {
        await rename(source, target);
      } else {
        await makeFolder(target);
        await moveInto(source, target, beforeMs, onMoved);
      }
    } else if ((await lstat(source)).mtimeMs < beforeMs) {
      await rename(source, target);
      onMoved?.(source);
    }
  }
}

/** A link is no folder here, even one to a folder: it may lead anywhere. */
async function makeFolder(folder: Buffer): Promise<void> {
  if (await isMissing(folder)) await mkdir(folder);
  else if (!(await lstat(folder)).isDirectory()) throw Object.assign(new Error(`${folder.toString()} is not a folder`), { code: 'EEXIST' });
}

const isMissing = (file: Buffer): Promise<boolean> =>
  lstat(file).then(
    () => false,
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return true;
      throw error;
    },
  );

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

async function explained(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const causes = new FailureCauses();
    const code = codeOf(error);
    const cause = code === 'ENOTDIR' || code === 'ENOTEMPTY' ? 'destination_invalid' : CAUSE_OF_ERRNO[code];
    causes.add(cause ?? null, error instanceof Error ? error.message : String(error));
    throw new EngineFailed(causes.failure('The copied files could not be moved to their final place.', null, 'io_error'), { cause: error });
  }
}
