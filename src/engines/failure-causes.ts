import type { JobFailure } from '../../actors/job.js';

/** Why a program failed, the gravest first: when files failed for several reasons, the first of these names the failure. */
const CAUSES = {
  disk_full: [false, 'Free space on the destination (or raise its quota), then retry the job: what was copied stays.'],
  destination_read_only: [false, 'Mount the destination writable, then retry the job.'],
  network: [true, 'Check that the network mount or the other machine can be reached. The job is tried again by itself.'],
  host_key_refused: [
    false,
    'The key of the other machine is not the known one, or none is known. Compare it with the key on that machine ("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" there), then add it to the known hosts of the user that runs the worker ("ssh-keyscan HOST").',
  ],
  remote_engine_missing: [false, 'Install rsync on the other machine, for the user that the job names.'],
  module_unknown: [false, 'The rsync daemon has no such module, or cannot use its folder: look at its rsyncd.conf and its log.'],
  module_one_way: [
    false,
    'The rsync daemon lets this module only be read, or only be written: see "read only" and "write only" in its rsyncd.conf.',
  ],
  remote_busy: [true, 'The service behind the remote refuses for now or has a fault of its own. The job is tried again by itself.'],
  io_error: [true, 'Check the disk and its cable (dmesg, smartctl). The job is tried again by itself.'],
  out_of_memory: [true, 'Free memory, or copy fewer files in one job.'],
  file_too_large: [
    false,
    'The file system of the destination, or a limit of the user, refuses a file of this size: leave the file out or choose another destination.',
  ],
  name_too_long: [false, 'The destination cannot hold a name of this length: rename the file or leave it out.'],
  remote_not_configured: [
    false,
    'See whether "rclone listremotes" names the remote for the user that runs the worker, and whether TALLYMAN_RCLONE_CONFIG is that configuration.',
  ],
  login_refused: [
    false,
    'Correct the user, password, key or token: of a remote with "rclone config", of ssh in its configuration (TALLYMAN_SSH_CONFIG), of an rsync daemon in TALLYMAN_RSYNC_PASSWORDS. Then retry the job.',
  ],
  permission_denied: [
    false,
    'Give the user that runs the worker the right to read the source and to write the destination, then retry the job.',
  ],
  destination_invalid: [
    false,
    'A file stands where the destination needs a folder, or a folder where it needs a file: move it away or choose another destination.',
  ],
  destination_missing: [false, 'The destination went away while it was written: check that it is mounted, then retry the job.'],
  source_missing: [false, 'Check the path of the source and that its disk is mounted, then retry the job.'],
  source_changed: [true, 'Files of the source changed while they were copied: let the copy run while nothing writes there.'],
  delete_limit: [
    false,
    'More would have been deleted than options.maxDelete allows. Look at a preview of the job; raise maxDelete if all of that may go.',
  ],
  interrupted: [true, 'Something outside of the service ended the program. The job is tried again by itself.'],
  pattern_not_supported: [
    false,
    'Correct the pattern in options.includes or options.excludes: close every "[", and write a range as "[a-z]".',
  ],
  engine_unsuitable: [false, 'Run "tallyman doctor": this version of the program does not understand what it was asked for.'],
  engine_error: [false, 'Read the log of the job for what the program said.'],
} as const satisfies Record<string, readonly [retriable: boolean, advice: string]>;

export type CauseCode = keyof typeof CAUSES;

/** By the name of the system's error number. */
export const CAUSE_OF_ERRNO: Partial<Record<string, CauseCode>> = {
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

const LINES_KEPT = 5;
const LINE_CHARS = 1000;

/** Collects the lines in which a program tells what goes wrong, each with its cause if it is known. */
export class FailureCauses {
  readonly #causes = new Set<CauseCode>();
  #lines: string[] = [];

  add(cause: CauseCode | null, line: string): void {
    if (cause !== null) this.#causes.add(cause);
    // The line that names the cause stands first: what follows is consequence, so both ends are kept.
    if (this.#lines.length >= LINES_KEPT) this.#lines.splice(LINES_KEPT - 2, 1);
    this.#lines.push(line.slice(0, LINE_CHARS));
  }

  /** The failure that the lines amount to, or `otherwise` when none of them named a cause. */
  failure(how: string, exitCode: number | null, otherwise: CauseCode): JobFailure {
    const known = (Object.keys(CAUSES) as CauseCode[]).filter((code) => this.#causes.has(code));
    const code = known[0] ?? otherwise;
    const [retriable, advice] = CAUSES[code];
    return {
      code,
      message: [how, ...this.#lines].join('\n'),
      exitCode,
      retriable: retriable || known.some((other) => CAUSES[other][0]),
      advice,
    };
  }
}
