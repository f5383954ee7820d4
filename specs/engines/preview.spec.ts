import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { TransferOptions } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { shellText } from '../../src/shell-text.js';
import { execFileSync } from 'node:child_process';
import { Bench, copy, makeTask } from './bench.js';
import { listTree, makeOddTree, newFolder, writeOldFile } from './trees.js';

const engine = createRsyncEngine({ markers: { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` } });

async function sides(options: Partial<TransferOptions> = {}) {
  const folder = await newFolder();
  const [source, destination] = ['source', 'destination'].map((name) => path.join(folder, name)) as [string, string];
  await writeOldFile(path.join(source, 'equal'), 'equal');
  await writeOldFile(path.join(destination, 'equal'), 'equal');
  const task = makeTask(`${source}/`, `${destination}/`, options);
  const preview = async () => {
    const found = await engine.preview?.(task, new Bench());
    if (!found) throw new Error('rsync has previews');
    return found;
  };
  return { source, destination, task, preview };
}

const MIRROR = { deleteExtraneous: true, maxDelete: 1000 };

it('tells what is made, changed, deleted, left out and equal, and changes nothing', async () => {
  const { source, destination, preview } = await sides({ ...MIRROR, excludes: ['*.tmp', '/cache/'] });
  await writeOldFile(path.join(source, 'sub/new'), '12345');
  await symlink('new', path.join(source, 'sub/link'));
  await writeOldFile(path.join(source, 'changed'), '123');
  await writeOldFile(path.join(destination, 'changed'), '1');
  await writeOldFile(path.join(destination, 'old/gone'), '1234567');
  await writeOldFile(path.join(destination, 'kept.tmp'), 'kept');
  for (const name of ['a.tmp', 'sub/b.tmp', 'cache/1', 'cache/2']) await writeOldFile(path.join(source, name), name);
  const before = await listTree(destination);
  const found = await preview();
  expect(found.counts).toEqual({
    create: { files: 2, folders: 1, bytes: 5 },
    change: { files: 1, folders: expect.any(Number) as number, bytes: 3 },
    delete: { files: 1, folders: 1, bytes: 7 },
    skip: { files: 2, folders: 1 },
    equal: { files: 1 },
  });
  expect(found.names).toEqual(
    expect.arrayContaining([
      { change: 'delete', path: 'old/gone', bytes: 7 },
      { change: 'create', path: 'sub/new', bytes: 5 },
      { change: 'change', path: 'changed', bytes: 3 },
    ]),
  );
  expect(found).toMatchObject({ truncated: false, failure: null, unusedPatterns: [] });
  expect(await listTree(destination)).toEqual(before);
});

it('tells what the copy then does, whatever the names are', async () => {
  const { source, destination, task, preview } = await sides(MIRROR);
  const made = await makeOddTree(source);
  await makeOddTree(path.join(destination, 'extra'));
  const { counts, names } = await preview();
  // The link takes part too.
  expect(counts.create).toMatchObject({ files: made.files + 1, bytes: made.bytes });
  expect(counts.delete).toMatchObject({ files: made.files + 1, bytes: made.bytes });
  expect(names.map(({ path: name }) => name)).toEqual(expect.arrayContaining(['folder/new\nline', 'extra/folder/escape\u001b[31m']));
  await copy(engine, task);
  expect(await listTree(destination)).toEqual(await listTree(source));
});

it('says which patterns nothing fits', async () => {
  const used = ['*.tmp', 'cache/', '/only/top', 'deep/***', '**/x y', '[ab]c', '- !', 'tab\there'];
  const { source, preview } = await sides({ includes: ['keep.tmp', 'nothing.tmp'], excludes: [...used, 'n*thing', '/cache'] });
  for (const name of ['keep.tmp', 'a.tmp', 'cache/1', 'only/top', 'deep/file', 'some/x y', 'bc', '- !', 'tab\there'])
    await writeOldFile(path.join(source, name), name);
  expect((await preview()).unusedPatterns).toEqual(['nothing.tmp', 'n*thing', '/cache']);
});

it('shows the names of what is deleted first, and says that it leaves names out', async () => {
  const { source, destination, preview } = await sides(MIRROR);
  const count = LIMITS.previewNames;
  for (let index = 0; index < count; index++) await writeOldFile(path.join(source, `new ${index}`), '');
  await writeOldFile(path.join(destination, 'precious'), 'precious');
  const found = await preview();
  expect(found.names[0]).toEqual({ change: 'delete', path: 'precious', bytes: 8 });
  expect(found.names).toHaveLength(count);
  expect(found.truncated).toBe(true);
  expect(found.counts.create.files).toBe(count);
});

it('gives the very command that runs, for a shell too', async () => {
  const { task, preview } = await sides({ ...MIRROR, excludes: ["it's", '$(id) `id`', 'ü\t*'] });
  const run = new Bench();
  const { command } = await preview();
  await copy(engine, task, run);
  expect(command.slice(1)).toEqual(expect.arrayContaining(['--delete-delay', '--max-delete=1000', task.source, task.destination]));
  const args = execFileSync('bash', ['-c', `printf '%s\\0' ${shellText(command)}`])
    .toString()
    .split('\0');
  expect(args.slice(0, -1)).toEqual(command);
  expect(shellText(['\u001b[31m', 'a\nb', "it's", '', 'plain'])).toBe(String.raw`$'\033[31m' $'a\012b' 'it'\''s' '' plain`);
});
