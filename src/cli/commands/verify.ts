import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { showPath } from '../../show-path.js';
import { CLIENT_OPTIONS, usageError, type Args } from '../args.js';
import type { Command } from '../command.js';
import type { Context } from '../context.js';
import { EXIT_CODES } from '../exit-codes.js';
import { plural } from '../format.js';
import { resolveIds } from '../ids.js';
import { filesBelow, join } from '../folder-files.js';
import { parseManifest, sha256Of, type ManifestEntry } from '../../manifest.js';
import { absolutePath, requireSource } from '../paths.js';
import { FOLLOW_OPTIONS, followOrDetach } from '../transfer.js';

export const verify: Command = {
  name: 'verify',
  group: 'make',
  args: 'ID | MANIFEST FOLDER',
  minArgs: 1,
  maxArgs: 2,
  completes: 'ids',
  summary: 'compare the two sides of a finished job again, or a folder with its manifest',
  details:
    'With an id: makes a job that compares and copies nothing. It fails with verification_failed when the sides differ; its log ' +
    'names each file. With a manifest (of "tallyman manifest" or sha256sum) and a folder: reads the folder on this machine and needs no service.',
  options: [
    { name: 'method', value: 'HOW', choices: ['checksum', 'size'], describe: 'of a job: by what to compare (default checksum)' },
    ...FOLLOW_OPTIONS,
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman verify 8KX2M4QT', 'is the backup of last month still whole?'],
    ['tallyman verify 2026.sha256 /mnt/archive/2026', 'and the one of ten years ago?'],
  ],
  async run(context, args) {
    if (args.positionals.length === 2) return verifyFolder(context, args);
    const [id = ''] = await resolveIds(context.service, args.positionals);
    const method = (args.text('method') ?? 'checksum') as 'checksum' | 'size';
    const job = await (await context.service.client()).ask('verify', { id, method, idempotencyKey: randomUUID() });
    return followOrDetach(context, args, job);
  },
};

type Verdict = 'equal' | 'differs' | 'missing' | 'unreadable' | 'new';

async function verifyFolder({ terminal, json }: Context, args: Args): Promise<number> {
  const [manifest = '', folder = ''] = args.positionals.map((typed) => absolutePath(typed, process.cwd()));
  requireSource(folder);
  const entries = await readManifest(manifest);
  if (entries.length === 0) throw usageError(`${manifest} names no file: nothing would be verified.`);
  const counts: Record<Verdict, number> = { equal: 0, differs: 0, missing: 0, unreadable: 0, new: 0 };
  const files: { path: string; verdict: Verdict }[] = [];
  for await (const [name, verdict] of verdicts(Buffer.from(folder), entries)) {
    counts[verdict]++;
    if (verdict === 'equal') continue;
    const path = showPath(name.toString('latin1'));
    files.push({ path, verdict });
    if (!json) terminal.print([verdict, verdict === 'new' ? 'yellow' : 'red'], `  ${path}`);
  }
  const bad = counts.differs + counts.missing + counts.unreadable;
  if (json) terminal.json({ ...counts, files });
  else {
    const others = Object.entries(counts).filter(([verdict, count]) => verdict !== 'equal' && count > 0);
    const rest = others.map(([verdict, count]) => `, ${count} ${verdict}`).join('');
    terminal.print(
      [bad > 0 ? 'Not the same' : 'The same', bad > 0 ? 'red' : 'green'],
      `: ${counts.equal} of ${plural(entries.length, 'file')} equal by sha256${rest}.`,
    );
  }
  if (bad > 0) return EXIT_CODES.failed.code;
  return counts.new > 0 ? EXIT_CODES.warnings.code : EXIT_CODES.ok.code;
}

async function* verdicts(root: Buffer, entries: readonly ManifestEntry[]): AsyncGenerator<[name: Buffer, verdict: Verdict]> {
  const known = new Set<string>();
  for (const { name, sum } of entries) {
    known.add(name.toString('latin1'));
    yield [name, await verdictOf(join(root, name), sum)];
  }
  for await (const name of filesBelow(root)) if (!known.has(name.toString('latin1'))) yield [name, 'new'];
}

async function verdictOf(file: Buffer, sum: string): Promise<Verdict> {
  try {
    return (await sha256Of(createReadStream(file))) === sum ? 'equal' : 'differs';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unreadable';
  }
}

async function readManifest(file: string): Promise<ManifestEntry[]> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw usageError(`The manifest ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`);
  });
  try {
    return parseManifest(bytes);
  } catch (error) {
    throw usageError((error as Error).message);
  }
}
