import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { requireSource } from '../paths.js';
import { isOnThisMachine } from '../service.js';
import { FOLLOW_OPTIONS, makeAndFollow, pathsOf } from '../transfer.js';
import { JOB_OPTIONS, TRANSFER_OPTIONS, jobBody } from './job-options.js';

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
  options: [...TRANSFER_OPTIONS, ...JOB_OPTIONS, ...FOLLOW_OPTIONS, ...CLIENT_OPTIONS],
  examples: [
    ['tallyman copy ~/photos/ /mnt/backup/photos/', 'copies what is in photos'],
    [
      'tallyman copy --exclude "*.tmp" --bwlimit 10M --verify checksum ~/photos/ /mnt/backup/photos/',
      'leaves some out, slowly, and compares',
    ],
    ['id=$(tallyman copy --detach ~/photos/ /mnt/backup/photos/)', 'only makes the job'],
  ],
  async run(context, args) {
    const [source, destination] = pathsOf(args);
    const body = await jobBody(context.service, args, 'rsync', { source, destination });
    if (isOnThisMachine(context.config)) requireSource(source);
    return makeAndFollow(context, args, body);
  },
};
