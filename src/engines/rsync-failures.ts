import { constants } from 'node:os';
import type { JobFailure } from '../../actors/job.js';
import { CAUSE_OF_ERRNO, FailureCauses, type CauseCode } from './failure-causes.js';
import type { ChildExit } from './process.js';
import { unescapeName } from './rsync-output.js';

/** What ssh, the shell of the other machine or a daemon say. */
const BY_TEXT_OF_REMOTES: readonly (readonly [RegExp, CauseCode])[] = [
  [/^Host key verification failed\.|^No \S+ host key is known for |REMOTE HOST IDENTIFICATION HAS CHANGED/, 'host_key_refused'],
  [
    /^(?:\S+: )?Permission denied \([\w,-]+\)|Too many authentication failures|^Load key "|^@ERROR: (?:auth failed|access denied)/,
    'login_refused',
  ],
  [/rsync: (?:command )?not found|rsync: No such file or directory|Failed to exec /, 'remote_engine_missing'],
  [/^@ERROR: (?:Unknown module|chroot failed|chdir failed|invalid )/, 'module_unknown'],
  [/^@ERROR: max connections/, 'remote_busy'],
  [/^(?:@?ERROR: )?module is (?:read|write) only/, 'module_one_way'],
  [
    /^ssh: (?:connect to host|Could not resolve hostname) |^(?:kex_exchange_identification|client_loop|ssh_dispatch_run_fatal|ssh_exchange_identification): |^Connection (?:closed|reset|timed out|to \S+ closed)|^Timeout, server |^rsync: getaddrinfo: /,
    'network',
  ],
];

const BY_TEXT: readonly (readonly [RegExp, CauseCode])[] = [
  [/^could not make way for /, 'destination_invalid'],
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
  25: 'delete_limit',
  30: 'network',
  35: 'network',
  126: 'remote_engine_missing',
  127: 'remote_engine_missing',
  255: 'network',
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
  126: 'the other machine cannot run rsync',
  127: 'the other machine has no rsync',
  255: 'ssh failed',
};

/** `rsync: [role] what "path" failed: text (errno)` */
const ERROR_LINE = /^rsync: \[(\w+)\] .*\((\d+)\)$/;
/** What becomes of a connection whose other end has given up, for whatever cause. */
const CONSEQUENCE =
  /^rsync: (?:\[\w+\] )?(?:connection unexpectedly closed|(?:read|write) error: |(?:writefd_unbuffered|safe_read|safe_write) failed )/;
const LOST = 'Connection closed before everything was done.';
const CONNECTION_LOST: readonly (number | null)[] = [10, 12, 30, 255];
const FAILED_FILE = /^rsync: \[\w+\] (?:send_files failed to open|read errors mapping|mkstemp|write failed on|rename) "/;

/** Collects what rsync says on stderr and, at its end, says why it failed: errno and text first, exit code second. */
export class RsyncErrors {
  readonly #causes = new FailureCauses();
  /** How many single files could not be read or written; rsync's progress counts them as done. */
  failedFiles = 0;
  /** Something was said that ends all, and not one file alone. */
  #isExplained = false;

  add(line: string): void {
    const cause = CONSEQUENCE.test(line) ? null : causeOfLine(line);
    this.#causes.add(cause, line);
    if (FAILED_FILE.test(line)) this.failedFiles++;
    else if (cause !== null) this.#isExplained = true;
  }

  /** The failure that the exit and the lines so far amount to. */
  failure(exit: ChildExit): JobFailure {
    if (!this.#isExplained && this.failedFiles > 0 && CONNECTION_LOST.includes(exit.code)) this.add(LOST);
    return this.#causes.failure(`rsync ended with ${describe(exit)}.`, exit.code, causeOfExit(exit));
  }
}

/** The quoted path may hold anything; what stands behind it holds no quote. A daemon names it from the module on, with "/" before it or without. */
const FILE_ERROR = /^rsync: \[(\w+)\] ([^"]*)"(?:(\/.*)"|(.*)" \(in [^()"]+\))\)?((?: failed)?: [^"]*\(\d+\))$/s;
/** A whole side is not there. */
const SIDE_MISSING = /^(?:change_dir|link_stat) $/;
/** Two names: the second is not needed. */
const TWO_NAMES = /^(?:rename|copy|link|symlink) $/;
/** A folder with something in it stands where a file has to go. */
const IN_THE_WAY = /^could not make way for new [^:]+: (.+)$/s;
const NOT_AS_SENT = /^ERROR: (.+) failed verification -- update (?:discarded|retained)\.$/s;
const HARMLESS =
  /^(?:rsync (?:error|warning): |cannot delete non-empty directory: |\*\*\* Skipping any contents from this failed directory|WARNING: .+ failed verification -- update (?:discarded|retained) \(will try again\)\.$)/s;
const VANISHED = /^file has vanished: "(.*)"$/s;

/** One file that could not be read or written: its absolute path or, when `isRelative`, the name as rsync prints it. */
export interface FailedFile {
  inSource: boolean;
  path: string;
  isRelative: boolean;
  why: string;
}

/** The file that a line of stderr (latin1) complains of; `null` when it is of no single one. */
export function failedFileOf(line: string): FailedFile | null {
  const other = NOT_AS_SENT.exec(line)?.[1];
  if (other !== undefined)
    return { inSource: false, path: unescapeName(other), isRelative: true, why: 'It did not arrive as it was sent.' };
  const blocked = IN_THE_WAY.exec(line)?.[1];
  if (blocked !== undefined)
    return { inSource: false, path: unescapeName(blocked), isRelative: true, why: 'A folder with something in it stands in its place.' };
  const match = FILE_ERROR.exec(line);
  if (!match) return null;
  const [, role = '', what = '', absolute, inModule = '', tail = ''] = match;
  const quoted = absolute ?? `/${inModule.replace(/^\//, '')}`;
  if (SIDE_MISSING.test(what)) return null;
  const [first = ''] = TWO_NAMES.test(what) ? quoted.split('" -> "') : [quoted];
  return { inSource: role === 'sender', path: unescapeName(first), isRelative: false, why: what.replace(/[ (]+$/, '') + tail };
}

/** The absolute path of a file that was gone before it could be read. */
export function vanishedFileOf(line: string): string | null {
  const quoted = VANISHED.exec(line)?.[1];
  return quoted === undefined ? null : unescapeName(quoted);
}

/** A look at a place found that it is not there, or may only be written. */
export const saysNotThere = ({ code }: JobFailure): boolean => code === 'source_missing' || code === 'module_one_way';

/** A line that tells of no failure that another line does not tell. */
export const isHarmless = (line: string): boolean => HARMLESS.test(line);

function causeOfLine(line: string): CauseCode | null {
  const said = BY_TEXT_OF_REMOTES.find(([pattern]) => pattern.test(line))?.[1];
  if (said) return said;
  const match = ERROR_LINE.exec(line);
  if (match) {
    const [, role, errno] = match;
    const name = nameOf(Number(errno));
    if (name === 'ENOENT' || name === 'ENOTDIR') return missing(role === 'sender', name);
    return CAUSE_OF_ERRNO[name] ?? null;
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
