import type { Progress, Verification } from '../../actors/job.js';
import { pathOfLatin1, type FileEntry } from '../file-record.js';
import type { RsyncNames } from './rsync-names.js';
import type { FileLine, StatLine } from './rsync-output.js';

/** What a comparison of both sides has seen so far. */
export class Compared {
  readonly #names: RsyncNames;
  readonly #method: 'size' | 'checksum';
  #algorithm: string | null = null;
  #filesEqual = 0;
  #different = 0;
  #leftOut = 0;
  /** Null where nobody looks for what the source does not have. */
  #extra: number | null;
  #bytes = 0;

  constructor(names: RsyncNames, method: 'size' | 'checksum', isMirror = false) {
    this.#names = names;
    this.#method = method;
    this.#extra = isMirror ? 0 : null;
  }

  /** What the line says of its file; `null` of a folder that is there. Only `.` says equal: a push to another machine prints `<` where others print `>`. */
  add(line: FileLine): FileEntry | null {
    if (line.change === '*') return this.#leftOver(line);
    const isEqual = line.change === '.';
    this.#bytes += line.bytes;
    if (!isEqual) this.#different++;
    else if (line.type === 'd') return null;
    else this.#filesEqual++;
    return {
      ...pathOfLatin1(this.#names.ofItem(line.rawName)),
      outcome: isEqual ? 'equal' : line.isNew ? 'missing' : 'differs',
      bytes: line.bytes,
      provedBy: isEqual ? this.#proof(line) : null,
      checksum: line.checksum === null ? null : `${this.#algorithm ?? 'unknown'}:${line.checksum}`,
      why: isEqual ? null : whyOf(line),
    };
  }

  /** A line of stdout that is of no file that was compared. */
  onOther(text: string): void {
    this.#algorithm ??= /negotiated checksum: (\S+)/.exec(text)?.[1] ?? null;
    if (text.startsWith('skipping non-regular file "')) this.#leftOut++;
  }

  progress(currentFile: string | null): Partial<Progress> {
    return {
      percent: null,
      bytesTransferred: this.#bytes,
      bytesTotal: null,
      bytesPerSecond: null,
      etaSeconds: null,
      filesTransferred: this.#filesEqual,
      filesTotal: null,
      currentFile: currentFile?.slice(0, 8192) ?? null,
    };
  }

  /** A file that was expected and not looked at is a mismatch too. Links and special files are files here, but those that are left out. */
  verdict(files: StatLine): Verification {
    const filesExpected = files.value - (files.byType['dir'] ?? 0) - this.#leftOut;
    const mismatches = Math.max(this.#different, filesExpected - this.#filesEqual);
    const extra = this.#extra === null ? {} : { extra: this.#extra };
    return { method: this.#method, algorithm: this.#algorithm, filesExpected, filesEqual: this.#filesEqual, mismatches, ...extra };
  }

  /** rsync does not tell how large it is. */
  #leftOver({ rawName }: FileLine): FileEntry {
    this.#extra = (this.#extra ?? 0) + 1;
    const path = pathOfLatin1(this.#names.ofItem(rawName));
    return { ...path, outcome: 'extra', bytes: null, provedBy: null, checksum: null, why: 'It is in the destination alone.' };
  }

  /** A link's target is compared as it is; a special file has nothing to compare. */
  #proof({ type }: FileLine): FileEntry['provedBy'] {
    if (type === 'L') return 'bytes';
    return type === 'f' ? this.#method : 'none';
  }
}

function whyOf({ isNew, type, flags }: FileLine): string {
  if (isNew) return 'It is missing at the destination.';
  if (flags.includes('s')) return 'The sizes differ.';
  if (flags.includes('c')) return type === 'L' ? 'The links lead elsewhere.' : 'The contents differ.';
  return `They differ (${flags}).`;
}
