import { constants } from 'node:os';
import type { JobFailure } from '../../actors/job.js';
import type { ChildExit } from './process.js';

/** By cause, the gravest first: when files failed for several reasons, the first of these names the failure. */
const CAUSES = {
  disk_full: [false, 'Free space on the destination (or raise its quota), then retry the job: what was copied stays.'],
  destination_read_only: [false, 'Mount the destination writable, then retry the job.'],
  network: [true, 'Check that the network mount or the other machine can be reached. The job is tried again by itself.'],
  io_error: [true, 'Check the disk and its cable (dmesg, smartctl). The job is tried again by itself.'],
  out_of_memory: [true, 'Free memory, or copy fewer files in one job.'],
  file_too_large: [
    false,
    'The file system of the destination, or a limit of the user, refuses a file of this size: leave the file out or choose another destination.',
  ],
  name_too_long: [false, 'The destination cannot hold a name of this length: rename the file or leave it out.'],
  permission_denied: [
    false,
    'Give the user that runs the worker the right to read the source and to write the destination, then retry the job.',
  ],
  destination_invalid: [false, 'A file stands where the destination needs a folder: move it away or choose another destination.'],
  destination_missing: [false, 'The destination went away while it was written: check that it is mounted, then retry the job.'],
  source_missing: [false, 'Check the path of the source and that its disk is mounted, then retry the job.'],
  source_changed: [true, 'Files of the source changed while they were copied: let the copy run while nothing writes there.'],
  interrupted: [true, 'Something outside of the service ended rsync. The job is tried again by itself.'],
  engine_unsuitable: [false, 'Run "tallyman doctor": this rsync does not understand what it was asked for.'],
  engine_error: [false, 'Read the log of the job for what rsync said.'],
} as const satisfies Record<string, readonly [retriable: boolean, advice: string]>;

type CauseCode = keyof typeof CAUSES;

const BY_ERRNO: Partial<Record<string, CauseCode>> = {
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EROFS: 'destination_read_only',
  EIO: 'io_error',
  ENODATA: 'io_error',
  ENXIO: 'io_error',
  ENODEV: 'io_error',
  ESTALE: 'network',
  ETIMEDOUT: 'network',
  ECONNREFUSED: 'network',
  ECONNRESET: 'network',
  ECONNABORTED: 'network',
  ENOTCONN: 'network',
  EHOSTDOWN: 'network',
  EHOSTUNREACH: 'network',
  ENETDOWN: 'network',
  ENETUNREACH: 'network',
  EREMOTEIO: 'network',
  ENOMEM: 'out_of_memory',
  EFBIG: 'file_too_large',
  ENAMETOOLONG: 'name_too_long',
  EACCES: 'permission_denied',
  EPERM: 'permission_denied',
  EEXIST: 'destination_invalid',
  EISDIR: 'destination_invalid',
};

const BY_TEXT: readonly (readonly [RegExp, CauseCode])[] = [
  [/^ERROR: destination must be a directory|^ERROR: cannot (?:stat|overwrite) destination|untrusted user/, 'destination_invalid'],
  [/failed verification -- update discarded|^file has vanished: /, 'source_changed'],
  [/unknown option|on remote machine: -/, 'engine_unsuitable'],
  [/out of memory/i, 'out_of_memory'],
];

const BY_EXIT: Partial<Record<number, CauseCode>> = {
  1: 'engine_unsuitable',
  3: 'destination_invalid',
  4: 'engine_unsuitable',
  10: 'network',
  12: 'network',
  19: 'interrupted',
  20: 'interrupted',
  22: 'out_of_memory',
  24: 'source_changed',
  30: 'network',
  35: 'network',
};

const MEANINGS: Partial<Record<number, string>> = {
  1: 'syntax or usage error',
  2: 'protocol incompatibility',
  3: 'errors selecting source or destination',
  4: 'requested action not supported',
  10: 'error in socket I/O',
  11: 'error in file I/O',
  12: 'error in the protocol data stream',
  13: 'errors with program diagnostics',
  14: 'error in inter-process communication',
  20: 'ended by a signal',
  22: 'out of memory',
  23: 'some files were not transferred',
  24: 'files of the source vanished',
  25: 'the limit of deletions was reached',
  30: 'timeout',
  35: 'timeout at connecting',
};

/** `rsync: [role] what "path" failed: text (errno)` */
const ERROR_LINE = /^rsync: \[(\w+)\] .*\((\d+)\)$/;
const FAILED_FILE = /^rsync: \[\w+\] (?:send_files failed to open|read errors mapping|mkstemp|write failed on|rename) "/;
const LINES_KEPT = 5;
const LINE_CHARS = 1000;

/** Collects what rsync says on stderr and, at its end, says why it failed: errno and text first, exit code second. */
export class RsyncErrors {
  readonly #causes = new Set<CauseCode>();
  #lines: string[] = [];
  vanishedFiles = 0;
  /** How many single files could not be read or written; rsync's progress counts them as done. */
  failedFiles = 0;
  firstVanished: string | null = null;

  add(line: string): void {
    const cause = causeOfLine(line);
    if (cause !== null) this.#causes.add(cause);
    if (FAILED_FILE.test(line)) this.failedFiles++;
    if (line.startsWith('file has vanished: ')) {
      this.vanishedFiles++;
      this.firstVanished ??= line.slice('file has vanished: '.length, LINE_CHARS);
    }
    // The line that names the cause stands first: what follows is consequence, so both ends are kept.
    if (this.#lines.length >= LINES_KEPT) this.#lines.splice(LINES_KEPT - 2, 1);
    this.#lines.push(line.slice(0, LINE_CHARS));
  }

  /** The failure that the exit and the lines so far amount to. */
  failure(exit: ChildExit): JobFailure {
    const known = (Object.keys(CAUSES) as CauseCode[]).filter((code) => this.#causes.has(code));
    const code = known[0] ?? causeOfExit(exit);
    const [retriable, advice] = CAUSES[code];
    return {
      code,
      message: [`rsync ended with ${describe(exit)}.`, ...this.#lines].join('\n'),
      exitCode: exit.code,
      retriable: retriable || known.some((other) => CAUSES[other][0]),
      advice,
    };
  }
}

function causeOfLine(line: string): CauseCode | null {
  const match = ERROR_LINE.exec(line);
  if (match) {
    const [, role, errno] = match;
    const name = nameOf(Number(errno));
    if (name === 'ENOENT' || name === 'ENOTDIR') return missing(role === 'sender', name);
    return BY_ERRNO[name] ?? null;
  }
  return BY_TEXT.find(([pattern]) => pattern.test(line))?.[1] ?? null;
}

function missing(inSource: boolean, name: 'ENOENT' | 'ENOTDIR'): CauseCode {
  if (inSource) return 'source_missing';
  return name === 'ENOTDIR' ? 'destination_invalid' : 'destination_missing';
}

function causeOfExit(exit: ChildExit): CauseCode {
  if (exit.code === null) return 'interrupted';
  return BY_EXIT[exit.code] ?? 'engine_error';
}

function describe({ code, signal }: ChildExit): string {
  if (code === null) return `the signal ${signal ?? 'unknown'}`;
  return `exit code ${code} (${MEANINGS[code] ?? 'unexpected'})`;
}

function nameOf(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? '';
}
