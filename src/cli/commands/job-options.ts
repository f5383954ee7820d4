import { isTransferType } from '../../../actors/job.js';
import { METADATA, type Metadata } from '../../../actors/metadata.js';
import { type NotifyOption } from '../../../actors/notify.js';
import { parseSize } from '../../../actors/sizes.js';
import type { RequestBody } from '../../job-client.js';
import { usageError, type Args } from '../args.js';
import type { Option } from '../command.js';
import { resolveIds } from '../ids.js';
import { absolutePath, placeOf } from '../paths.js';
import type { Service } from '../service.js';
import { TIME_OPTIONS, timeOptions } from './time-options.js';

/** The flags that say what a job is, for `copy` and `create`. */
export const JOB_OPTIONS: readonly Option[] = [
  { name: 'name', value: 'NAME', describe: 'a name for people' },
  { name: 'label', value: 'KEY=VALUE', multiple: true, describe: 'a label; may be repeated' },
  { name: 'priority', value: 'N', describe: 'from -100 to 100; higher runs first' },
  { name: 'after', value: 'ID', multiple: true, describe: 'run only when that job has completed; may be repeated' },
  { name: 'webhook', value: 'URL', describe: 'tell this URL when the job has finished' },
  { name: 'notify-on', value: 'EVENTS', describe: 'tell of these only: completed, warning, failed, cancelled, skipped, "," between them' },
  { name: 'max-retries', value: 'N', describe: 'attempts after the first that fails (default 10)' },
  ...TIME_OPTIONS,
];

export const TRANSFER_OPTIONS: readonly Option[] = [
  { name: 'exclude', value: 'PATTERN', multiple: true, describe: "leave out what fits, in rsync's patterns; may be repeated" },
  { name: 'include', value: 'PATTERN', multiple: true, describe: 'keep what fits though an exclude says otherwise; may be repeated' },
  { name: 'bwlimit', value: 'RATE', describe: 'at most so many bytes a second: 500k, 10M, 1.5GiB' },
  { name: 'parallel', value: 'N', describe: 'copy a tree of many files with up to N rsyncs at once (1 to 16, default 1)' },
  {
    name: 'verify',
    value: 'HOW',
    choices: ['none', 'size', 'checksum'],
    describe: 'compare both sides afterwards: none, size or checksum (default none)',
  },
  { name: 'list-unchanged', describe: 'tell in "tallyman files" what needed no copy, too' },
  {
    name: 'manifest',
    value: 'FILE',
    describe: 'write there the SHA-256 of every file in DEST, once --verify checksum (then the default) has passed',
  },
  {
    name: 'require-mount',
    value: 'SIDE',
    choices: ['source', 'destination', 'both'],
    describe: 'copy only when source, destination or both are on a mounted disk',
  },
  { name: 'marker', value: 'FILE', describe: 'copy only when a file of this name is in the destination' },
  { name: 'source-marker', value: 'FILE', describe: 'copy only when a file of this name is in the source' },
  {
    name: 'other-disk',
    value: 'HOW',
    choices: ['ask', 'allow'],
    describe: 'when a side is on another disk than at the last run: pause and ask (the default), or go on',
  },
  {
    name: 'min-source-percent',
    value: 'N',
    describe: 'pause and ask when the source has less of what it had at the last run (a mirror: 50; 0: never)',
  },
  {
    name: 'when-away',
    value: 'HOW',
    choices: ['fail', 'wait'],
    describe: 'when the network or the disk of a side is away: fail as usual (the default), or wait until it is back',
  },
  { name: 'acls', describe: 'copy access control lists, too' },
  { name: 'xattrs', describe: 'copy extended attributes, too' },
  { name: 'hard-links', describe: 'names of one file in SRC are names of one file in DEST' },
  { name: 'sparse', describe: 'holes in files take no room in DEST' },
  { name: 'resume', value: 'HOW', choices: ['auto', 'ask'], describe: 'after an interruption: go on by itself, or pause and ask' },
];

/** Of `copy` alone: what is deleted is shown first. */
export const MIRROR_OPTIONS: readonly Option[] = [
  { name: 'dry-run', short: 'n', describe: 'show what would be made, changed and deleted, and do nothing' },
  { name: 'mirror', describe: 'delete in DEST what SRC does not have; shows it and asks first' },
  { name: 'max-delete', value: 'N', describe: 'the most files and folders that a mirror may delete' },
  { name: 'trash', value: 'FOLDER', describe: 'a mirror moves there what it deletes or replaces' },
  { name: 'yes', short: 'y', describe: 'do not ask before a mirror' },
];

const TRANSFER_ONLY = TRANSFER_OPTIONS.map((option) => option.name);

/** The part of a create request that the flags say. */
export async function jobBody(
  service: Service,
  args: Args,
  type: string,
  paths: { source: string; destination: string } | null,
): Promise<RequestBody<'create'>> {
  const name = args.text('name');
  const priority = args.whole('priority');
  const maxRetries = args.whole('max-retries');
  const after = args.words('after');
  const body = {
    labels: args.pairs('label'),
    ...(name === undefined ? {} : { name }),
    ...(priority === undefined ? {} : { priority }),
    ...(after.length === 0 ? {} : { after: await resolveIds(service, after) }),
  };
  const anyOptions = { ...(maxRetries === undefined ? {} : { maxRetries }), ...timeOptions(args), ...notifyOption(args) };
  if (isTransferType(type) && paths) return { ...body, ...paths, type, options: { ...transferOptions(args, type), ...anyOptions } };
  const misplaced = TRANSFER_ONLY.find((flag) => args.flag(flag));
  if (misplaced !== undefined)
    throw usageError(`--${misplaced} is for transfers (rsync, rclone), not for jobs of type ${JSON.stringify(type)}.`);
  return { ...body, type, options: anyOptions };
}

/** Whether they are right is the service's to say. */
function notifyOption(args: Args): { notify?: NotifyOption } {
  const webhook = args.text('webhook');
  const on = args.text('notify-on')?.split(',') as NotifyOption['on'];
  if (webhook === undefined && on === undefined) return {};
  return { notify: { ...(webhook === undefined ? {} : { webhook }), ...(on === undefined ? {} : { on }) } };
}

function transferOptions(args: Args, type: string) {
  const limit = args.text('bwlimit');
  const parallel = args.whole('parallel');
  const resume = args.text('resume') as 'auto' | 'ask' | undefined;
  const manifest = args.text('manifest');
  const verify = (args.text('verify') ?? (manifest === undefined ? undefined : 'checksum')) as 'none' | 'size' | 'checksum' | undefined;
  const requireMount = args.text('require-mount') as 'source' | 'destination' | 'both' | undefined;
  const otherDisk = args.text('other-disk') as 'ask' | 'allow' | undefined;
  const whenAway = args.text('when-away') as 'fail' | 'wait' | undefined;
  const minSourcePercent = args.whole('min-source-percent');
  const [source, destination] = [args.text('source-marker'), args.text('marker')];
  return {
    ...(requireMount === undefined ? {} : { requireMount }),
    ...((source ?? destination) === undefined ? {} : { marker: { source, destination } }),
    ...(otherDisk === undefined ? {} : { otherDisk }),
    ...(whenAway === undefined ? {} : { whenAway }),
    ...(minSourcePercent === undefined ? {} : { minSourcePercent }),
    ...mirrorOptions(args, type),
    ...metadataOption(args),
    excludes: args.texts('exclude'),
    includes: args.texts('include'),
    ...(limit === undefined ? {} : { bandwidthLimit: parseSize(limit, '--bwlimit') }),
    ...(parallel === undefined ? {} : { parallel }),
    ...(verify === undefined ? {} : { verify }),
    ...(args.flag('list-unchanged') ? { listUnchanged: true } : {}),
    ...(manifest === undefined ? {} : { manifest: absolutePath(manifest, process.cwd()) }),
    ...(resume === undefined ? {} : { resume }),
  };
}

const METADATA_FLAGS: Record<Metadata, string> = { acls: 'acls', xattrs: 'xattrs', hardLinks: 'hard-links', sparse: 'sparse' };

function metadataOption(args: Args) {
  const asked = METADATA.filter((kind) => args.flag(METADATA_FLAGS[kind]));
  return asked.length === 0 ? {} : { metadata: Object.fromEntries(asked.map((kind) => [kind, true])) };
}

function mirrorOptions(args: Args, type: string) {
  const [maxDelete, trash] = [args.whole('max-delete'), args.text('trash')];
  if (args.flag('mirror') && maxDelete === undefined && !args.flag('dry-run'))
    throw usageError('--mirror needs --max-delete N, the most files and folders that it may delete. --dry-run tells how many would go.');
  return {
    ...(args.flag('mirror') ? { deleteExtraneous: true, maxDelete: maxDelete ?? Number.MAX_SAFE_INTEGER } : {}),
    ...(maxDelete === undefined ? {} : { maxDelete }),
    ...(trash === undefined ? {} : { trash: placeOf(trash, process.cwd(), type) }),
  };
}
