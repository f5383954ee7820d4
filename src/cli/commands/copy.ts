import type { RequestBody } from '../../job-client.js';
import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { requireSource } from '../paths.js';
import { isOnThisMachine } from '../service.js';
import { agreedPreview, showPreview } from '../preview.js';
import { ENGINE_OPTION, FOLLOW_OPTIONS, makeAndFollow, placesOf } from '../transfer.js';
import { JOB_OPTIONS, MIRROR_OPTIONS, TRANSFER_OPTIONS, jobBody } from './job-options.js';

export const copy: Command = {
  name: 'copy',
  group: 'make',
  args: 'SRC DEST',
  minArgs: 2,
  maxArgs: 2,
  completes: 'files',
  summary: 'copy a file or folder: make the job and follow it to its end',
  details:
    'As with rsync, "photos/" means what is in the folder and "photos" the folder itself. The job runs in the service: ' +
    'it goes on when this command ends, after a crash and after a restart. Ctrl-C only stops following it.',
  options: [ENGINE_OPTION, ...TRANSFER_OPTIONS, ...MIRROR_OPTIONS, ...JOB_OPTIONS, ...FOLLOW_OPTIONS, ...CLIENT_OPTIONS],
  examples: [
    ['tallyman copy ~/photos/ /mnt/backup/photos/', 'copies what is in photos'],
    [
      'tallyman copy --exclude "*.tmp" --bwlimit 10M --verify checksum ~/photos/ /mnt/backup/photos/',
      'leaves some out, slowly, and compares',
    ],
    ['tallyman copy --manifest /mnt/backup/photos.sha256 ~/photos/ /mnt/backup/photos/', 'compares, and writes down what it proved'],
    ['tallyman copy --dry-run ~/photos/ /mnt/backup/photos/', 'shows what would be done'],
    ['tallyman copy --mirror --max-delete 100 ~/photos/ /mnt/backup/photos/', 'deletes there what is here no more, after a yes'],
    ['tallyman copy ada@nas:/photos/ /mnt/backup/photos/', 'from another machine, over ssh, that TALLYMAN_HOSTS allows'],
    ['tallyman copy --type rclone ~/photos/ cloud:photos', 'to a remote that rclone has in its configuration'],
    ['id=$(tallyman copy --detach ~/photos/ /mnt/backup/photos/)', 'only makes the job'],
  ],
  async run(context, args) {
    const type = args.text('type') ?? 'rsync';
    const [source, destination] = placesOf(args, type);
    const body = await jobBody(context.service, args, type, { source, destination });
    if (isOnThisMachine(context.config) && source.startsWith('/')) requireSource(source);
    if (args.flag('dry-run')) return showPreview(context, body);
    if (!args.flag('mirror') || args.flag('yes')) return makeAndFollow(context, args, body);
    const previewId = await agreedPreview(context, body);
    return previewId === null ? EXIT_CODES.cancelled.code : makeAndFollow(context, args, { ...body, previewId } as RequestBody<'create'>);
  },
};
