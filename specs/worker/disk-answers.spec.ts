import { chmod, symlink, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { answers, requireAnswers } from '../../src/worker/disk-answers.js';
import { failureOf } from '../engines/bench.js';
import { newFolder } from '../engines/trees.js';

const LOCAL = '1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw';
const nfs = (mount: string) => `2 1 0:40 / ${mount} rw - nfs4 nas:/export rw`;

/** A machine with these mounts, on which whoever looks at a path that holds "dead" is never heard of again. */
async function machine(...mounts: string[]) {
  const folder = await newFolder();
  const [table, program] = [`${folder}/mountinfo`, `${folder}/look`];
  await writeFile(table, mounts.join('\n'));
  await writeFile(program, `#!/bin/sh\ncase "$3" in *dead*) exec sleep 1000;; esac\ntest -e "$3"\n`);
  await chmod(program, 0o755);
  return { mounts: table, program, limitMs: 200, silenceMs: 100 };
}

it('a mount that does not answer is told as that, after a time, and is not asked by more than one at once', async () => {
  const asked = await machine(LOCAL, nfs('/mnt/nas'));
  const dead = '/mnt/nas/dead';
  const [first, second] = [answers(dead, asked), answers(dead, asked)];
  expect(await second).toBe(false);
  expect(await first).toBe(false);
  // For a moment it is silent to all that lies on it. Then the next one is sent.
  expect(await answers('/mnt/nas/else', asked)).toBe(false);
  await expect.poll(() => answers('/mnt/nas/dead', { ...asked, program: 'true' })).toBe(true);
  const failure = await failureOf(requireAnswers(['/tmp', `${dead} again`], asked));
  expect(failure).toMatchObject({ code: 'network', retriable: true, message: expect.stringContaining(`${dead} again`) as unknown });
});

it('a link that leads to such a mount is followed without a step onto it, and a circle of links is no way', async () => {
  const asked = await machine(LOCAL, nfs('/mnt/linked'));
  const folder = await newFolder();
  await symlink('/mnt/./linked', `${folder}/far`);
  await symlink('../../../../../../..' + folder, `${folder}/near`);
  await symlink('circle', `${folder}/circle`);
  expect(await answers(`${folder}/near/far/dead`, asked)).toBe(false);
  for (const place of ['circle/dead', 'dead', 'near/dead']) expect(await answers(`${folder}/${place}`, asked)).toBe(true);
});

it('a place that answers is in order, be it there or not, and so is one where nobody can be sent', async () => {
  const asked = await machine(LOCAL, nfs('/mnt/well'));
  for (const place of ['/', '/mnt/well/gone', 'nas:/dead', 'cloud:dead']) {
    expect(await Promise.all([answers(place, asked), answers(place, asked)])).toEqual([true, true]);
  }
  expect(await answers('/mnt/well/x', { ...asked, program: '/no/such/program' })).toBe(true);
});

it('without a file system that may be silent nobody is sent', async () => {
  expect(await answers('/dead', await machine(LOCAL))).toBe(true);
  expect(await answers('/dead', { ...(await machine(nfs('/'))), mounts: '/no/such/file' })).toBe(true);
});
