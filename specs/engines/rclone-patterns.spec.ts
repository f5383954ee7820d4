import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import type { TransferTask } from '../../src/engines/engine.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { Bench, copy, failureOf, makeTask } from './bench.js';
import { listTree, newFolder, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 60_000 });

const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const [rsync, rclone] = [createRsyncEngine({ markers }), createRcloneEngine({ markers, configFile: '/dev/null', remotes: [] })];

const FILES = [
  'keep.tmp',
  'other.tmp',
  'a.jpg',
  'a.txt',
  'cache/keep.tmp',
  'cache/b.jpg',
  'deep/cache/c.txt',
  'deep/er/cache',
  'deep/er/x.tmp',
  'deep/er/keep.tmp',
  'odd/{a}',
  'odd/[b]',
  'odd/back\\slash',
  'odd/+ plus',
  'odd/!',
  'odd/#',
  'odd/c1',
];

const PATTERNS: readonly (readonly [includes: string[], excludes: string[]])[] = [
  [[], ['*.tmp']],
  [[], ['cache']],
  [[], ['cache/']],
  [[], ['/cache/']],
  [[], ['/cache']],
  [[], ['er/*.tmp']],
  [[], ['/deep/**/x.tmp']],
  [[], ['deep/***']],
  [[], ['deep/er/*']],
  [[], ['cache/**']],
  [[], ['**/keep.tmp']],
  [['*/'], ['cache/***']],
  [['**/keep.tmp'], ['*.tmp']],
  [[], ['*']],
  [[], ['*/']],
  [[], ['{a}', '[[]b]', 'back\\slash', '+ plus', '!x', '- !', '#']],
  [[], ['[!ab]?', 'c[0-9]']],
  [['keep.tmp'], ['*.tmp']],
  [['keep.tmp'], ['*.tmp', 'cache/']],
  [['/keep.tmp'], ['*.tmp']],
  [['*/', '*.jpg'], ['*']],
  [['*.jpg'], ['*']],
  [['*/'], ['cache/', '*.txt']],
];

it.each(PATTERNS)('rclone copies what rsync copies: include %j, exclude %j', async (includes, excludes) => {
  const folder = await newFolder();
  const source = path.join(folder, 'source');
  for (const file of FILES) await writeOldFile(path.join(source, file), file);
  for (const engine of [rsync, rclone]) {
    await copy(engine, makeTask(`${source}/`, `${folder}/${engine.type}/`, { includes, excludes }));
  }
  const filesOf = async (name: string) => (await listTree(path.join(folder, name))).filter((line) => !line.endsWith(' folder'));
  expect(await filesOf('rclone')).toEqual(await filesOf('rsync'));
});

it('an include of some folders, which rclone cannot say, is refused before anything is copied', async () => {
  const folder = await newFolder();
  await writeOldFile(path.join(folder, 'source', 'cache', 'file'), 'content');
  const task = makeTask(`${folder}/source/`, `${folder}/copy/`, { includes: ['cache/'], excludes: ['*'] });
  expect(await failureOf(rclone.count(task, new Bench()))).toMatchObject({ code: 'pattern_not_supported', retriable: false });
});

it.each([
  [['keep.tmp'], ['*.tmp'], 'keep.tmp/'],
  [['deep/keep.tmp'], ['*.tmp'], 'deep/keep.tmp/'],
  [['*.tmp'], ['*'], 'keep.tmp/'],
])('a folder that an include and an exclude both fit is refused: include %j, exclude %j', async (includes, excludes, named) => {
  const folder = await newFolder();
  await writeOldFile(path.join(folder, 'source', named, 'file'), 'content');
  await writeOldFile(path.join(folder, 'source', 'other.tmp', 'keep.tmp', 'file'), 'content');
  const task = makeTask(`${folder}/source/`, `${folder}/copy/`, { includes, excludes });
  for (const ask of [() => rclone.count(task, new Bench()), async () => rclone.preview?.(task, new Bench())]) {
    const failure = await failureOf(ask());
    expect(failure).toMatchObject({ code: 'pattern_not_supported', retriable: false, advice: expect.stringContaining('*/') as unknown });
    expect(failure.message).toContain(named);
  }
});

it('patterns with a single file are refused, since rclone would copy it anyway', async () => {
  const folder = await newFolder();
  await writeOldFile(path.join(folder, 'file'), 'content');
  const task = makeTask(`${folder}/file`, `${folder}/copy`, { excludes: ['file'] });
  expect(await failureOf(rclone.count(task, new Bench()))).toMatchObject({ code: 'pattern_not_supported', retriable: false });
});

it.each(['a[', '[z-a]'])('the pattern %s, which is none, is named as the cause, with what to do', async (pattern) => {
  const folder = await newFolder();
  await writeOldFile(path.join(folder, 'source', 'file'), 'content');
  const failure = await failureOf(rclone.count(makeTask(`${folder}/source/`, `${folder}/copy/`, { excludes: [pattern] }), new Bench()));
  expect(failure).toMatchObject({
    code: 'pattern_not_supported',
    retriable: false,
    advice: expect.stringContaining('options.excludes') as unknown,
  });
  expect(failure.message).toContain(pattern);
});

/** Where rclone would look into fewer folders, it says so. */
async function refuses(task: TransferTask): Promise<boolean> {
  const failure = await rclone.count(task, new Bench()).then(
    () => null,
    (error: unknown) => error,
  );
  if (failure === null) return false;
  expect(failure).toMatchObject({
    failure: { code: 'pattern_not_supported', message: expect.stringContaining('both fit the folder') as unknown },
  });
  return true;
}

it('patterns mean the same to both, whatever they are', async () => {
  const name = fc.constantFrom('a', 'b', 'ab', 'a b', '{a}', '[x]', '-a');
  const file = fc.tuple(name, fc.constantFrom('', '.jpg', '.tmp')).map((parts) => parts.join(''));
  const path_ = fc
    .tuple(fc.array(name, { maxLength: 2 }), file)
    .map(([folders, last]) => [...folders.map((folder) => `${folder}.d`), last].join('/'));
  const word = fc.constantFrom('a', 'b', 'ab', '?', '*', 'a*', '*b', '[ab]', '[!a]', '{a}', '**');
  const pattern = fc
    .tuple(
      fc.constantFrom('', '/'),
      fc.array(
        word.map((text) => `${text}.d`),
        { maxLength: 2 },
      ),
      word,
      fc.constantFrom('', '.jpg', '.tmp', '.d/', '.d/***'),
    )
    .map(([root, folders, last, end]) => root + [...folders, last + end].join('/'));
  const include = fc.oneof(
    fc
      .tuple(fc.constantFrom('', '/', 'a.d/', '/a.d/', '*.d/', '**/'), word, fc.constantFrom('.jpg', '.tmp', '.d', ''))
      .map((parts) => parts.join('')),
    fc.constant('*/'),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(path_, { minLength: 1, maxLength: 8 }),
      fc.array(pattern, { maxLength: 3 }),
      fc.array(include, { maxLength: 2 }),
      async (files, excludes, includes) => {
        const folder = await mkdtemp(path.join(tmpdir(), 'tallyman-spec-'));
        try {
          for (const each of files) await writeOldFile(path.join(folder, 'source', each), each);
          const task = (type: string) => makeTask(`${folder}/source/`, `${folder}/${type}/`, { includes, excludes });
          await copy(rsync, task('rsync'));
          if (await refuses(task('rclone'))) return;
          await copy(rclone, task('rclone'));
          const filesOf = async (side: string) => (await listTree(path.join(folder, side))).filter((line) => !line.endsWith(' folder'));
          expect(await filesOf('rclone')).toEqual(await filesOf('rsync'));
        } finally {
          await rm(folder, { recursive: true });
        }
      },
    ),
    { numRuns: 20 },
  );
}, 120_000);
