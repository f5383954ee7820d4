import type { JobFailure } from '../../actors/job.js';
import { FailureCauses, type CauseCode } from './failure-causes.js';
import type { ChildExit } from './process.js';
import type { RcloneMessage } from './rclone-output.js';

/** The first that fits names the cause of a line. What the system says stands at the end of the text, behind the path. */
const BY_TEXT: readonly (readonly [RegExp, CauseCode])[] = [
  [
    /: no space left on device$|file too big for remaining disk space|: disk quota exceeded$|507 Insufficient Storage|quota ?exceeded/i,
    'disk_full',
  ],
  [/: read-only file system$/, 'destination_read_only'],
  [/: (?:permission denied|operation not permitted)$/, 'permission_denied'],
  [/: file name too long$/, 'name_too_long'],
  [/: file too large$/, 'file_too_large'],
  [/: cannot allocate memory$/, 'out_of_memory'],
  [/: (?:input\/output error|no data available|no such device(?: or address)?)$/, 'io_error'],
  [/didn't find section in config file|unable to decrypt configuration|couldn't find type field in config/, 'remote_not_configured'],
  [
    /\b401 |unauthorized|\b403 Forbidden|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|invalid_grant|ssh: (?:handshake failed|unable to authenticate)|\b530 /i,
    'login_refused',
  ],
  [
    /connection (?:refused|reset|timed out)|i\/o timeout|no such host|server misbehaving|(?:network|host) is unreachable|no route to host|TLS handshake timeout|unexpected EOF|: EOF$|broken pipe|stale (?:NFS )?file handle|deadline exceeded/i,
    'network',
  ],
  [/\b429 |too many requests|rateLimitExceeded|SlowDown|\b50[0234] /i, 'remote_busy'],
  [/corrupted on transfer|source file is being updated|failed to open source object: .*no such file or directory$/, 'source_changed'],
  [/is a file not a directory|is a directory not a file|: not a directory$|: is a directory$|: file exists$/, 'destination_invalid'],
  [/directory not found$|object not found$/, 'source_missing'],
  [/: no such file or directory$/, 'destination_missing'],
  [/^Failed to load filters: /, 'pattern_not_supported'],
  [/^(?:Fatal error: |Error: )?unknown (?:shorthand )?(?:flag|command)/, 'engine_unsuitable'],
];

const BY_EXIT: Partial<Record<number, CauseCode>> = {
  2: 'engine_unsuitable',
  3: 'source_missing',
  4: 'source_missing',
  5: 'remote_busy',
};

/** What rclone leaves out and still exits 0. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/: Can't follow symlink without -L\/--copy-links$/, 'symbolic links'],
  [/: Can't transfer non file\/directory$/, 'special files (pipes, sockets, devices)'],
];

/** Collects what rclone says and, at its end, says why it failed: by text first, by exit code second. */
export class RcloneErrors {
  readonly #causes = new FailureCauses();
  readonly #leftOut = new Map<string, { files: number; first: string }>();
  /** Files of which no hash could be compared: `rclone check` calls them equal all the same. */
  hashesMissing = false;
  /** Links that were copied, as rclone names them. */
  #links = 0;
  /** What `rclone check` compares by. */
  algorithm: string | null = null;

  add({ level, text, file }: RcloneMessage): void {
    if (level === 'error') this.#causes.add(BY_TEXT.find(([pattern]) => pattern.test(text))?.[1] ?? null, text);
    if (/No common hash found|[1-9]\d* hash(?:es)? could not be checked/.test(text)) this.hashesMissing = true;
    if (/\.rclonelink: Copied /.test(text)) this.#links++;
    this.algorithm ??= /^Using (\S+) for hash comparisons$/.exec(text)?.[1] ?? null;
    const kind = LEFT_OUT.find(([pattern]) => pattern.test(text))?.[1];
    if (kind === undefined) return;
    const { files, first } = this.#leftOut.get(kind) ?? { files: 0, first: file ?? text };
    this.#leftOut.set(kind, { files: files + 1, first });
  }

  failure({ code, signal }: ChildExit): JobFailure {
    const how = code === null ? `the signal ${signal ?? 'unknown'}` : `exit code ${code}`;
    const otherwise = code === null ? 'interrupted' : (BY_EXIT[code] ?? 'engine_error');
    return this.#causes.failure(`rclone ended with ${how}.`, code, otherwise);
  }

  warnings(toRemote: boolean): string[] {
    const leftOut = [...this.#leftOut].map(
      ([kind, { files, first }]) => `Left out: ${files} ${kind} (the first: ${first}). rclone does not copy them.`,
    );
    if (!toRemote || this.#links === 0) return leftOut;
    return [...leftOut, `${this.#links} symbolic links are files on the remote, named <link>.rclonelink, that hold their targets.`];
  }
}
