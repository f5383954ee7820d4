import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { requireTwoPlaces } from '../../src/worker/two-places.js';
import { failureOf } from '../engines/bench.js';
import { newFolder } from '../engines/trees.js';

it('Two folders that are one are found out, before anything goes', async () => {
  const folder = await newFolder();
  const [source, target] = [path.join(folder, 'source'), path.join(folder, 'target')];
  for (const side of [source, target]) {
    await mkdir(side);
    await writeFile(path.join(side, 'a'), 'a');
  }
  await expect(requireTwoPlaces(source, target)).resolves.toBeUndefined();
  await symlink(source, path.join(folder, 'again'));
  expect(await failureOf(requireTwoPlaces(source, path.join(folder, 'again')))).toMatchObject({ code: 'source_is_destination' });
  expect([await readdir(source), await readdir(target)]).toEqual([['a'], ['a']]);
});
