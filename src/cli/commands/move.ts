import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { requireYes } from '../confirm.js';
import { requireSource } from '../paths.js';
import { isOnThisMachine } from '../service.js';
import { ENGINE_OPTION, FOLLOW_OPTIONS, makeAndFollow, placesOf } from '../transfer.js';
import { JOB_OPTIONS, TRANSFER_OPTIONS, jobBody } from './job-options.js';

export const move: Command = {
  name: 'move',
  group: 'make',
  args: 'SRC DEST',
  minArgs: 2,
  maxArgs: 2,
  completes: 'files',
  summary: 'copy, prove every copy by its content, then delete the source files',
  details:
    'Nothing is deleted before every file is proved: both sides are read and compared, byte by byte, and the copy is written ' +
    'through to the disk. On a remote of rclone a hash that it tells is compared, or the copy is read back. A file that changed since the job began, or is no longer what was compared, stays. Each deletion is in ' +
    'the log before it happens. With --per-file each file goes when it is proved, and only those that are not stay.',
  options: [
    ENGINE_OPTION,
    ...TRANSFER_OPTIONS.filter(({ name }) => name !== 'verify' && name !== 'manifest'),
    ...JOB_OPTIONS,
    { name: 'per-file', describe: 'delete each file when it is proved, and do not wait for the others' },
    { name: 'empty-folders', describe: 'remove the folders that are empty afterwards, too' },
    { name: 'yes', short: 'y', describe: 'do not ask' },
    ...FOLLOW_OPTIONS,
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman move ~/camera/ /mnt/archive/camera/', 'asks, copies, compares, deletes what is proved'],
    ['tallyman move --yes --per-file --empty-folders ~/camera/ /mnt/archive/camera/', 'without a question, file by file'],
    ['tallyman move --type rclone ~/camera/ nas:photos/camera/', 'to a remote of rclone'],
  ],
  async run(context, args) {
    const type = args.text('type') ?? 'rsync';
    const [source, destination] = placesOf(args, type);
    if (isOnThisMachine(context.config) && source.startsWith('/')) requireSource(source);
    await requireYes(args, `Delete the files in ${source} once their copies in ${destination} are proved?`);
    const body = await jobBody(context.service, args, type, { source, destination });
    const mode = args.flag('per-file') ? ('per_file' as const) : ('after_verify' as const);
    const deleteSource = { mode, confirmed: true, emptyFolders: args.flag('empty-folders') };
    return makeAndFollow(context, args, { ...body, options: { ...body.options, deleteSource } } as typeof body);
  },
};
