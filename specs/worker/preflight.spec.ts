import { chmod, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { EngineFailed } from '../../src/engines/engine.js';
import { checkSpace } from '../../src/worker/free-space.js';
import { checkPaths } from '../../src/worker/preflight.js';
import { newFolder } from '../engines/trees.js';

let root: string;
let outside: string;
const at = (name: string): string => path.join(root, name) + (name.endsWith('/') ? '/' : '');
const check = (source: string, destination: string) => checkPaths({ source: at(source), destination: at(destination) }, [root]);
const failureOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => null,
    (caught: unknown) => caught,
  );
  if (!(error instanceof EngineFailed)) throw new Error('nothing was found wrong', { cause: error });
  expect(error.failure.advice).toBeTruthy();
  return error.failure;
};
const codeOf = async (promise: Promise<unknown>) => (await failureOf(promise)).code;

beforeEach(async () => {
  [root, outside] = [await newFolder(), await newFolder()];
  await mkdir(at('source/inner'), { recursive: true });
  await writeFile(at('source/file'), 'content');
});

describe('Before a copy starts', () => {
  it('the source must exist', async () => {
    const failure = await failureOf(check('nowhere/', 'copy/'));
    expect(failure.code).toBe('source_missing');
    expect(failure.message).toContain('nowhere');
    expect(await codeOf(check('source/file/', 'copy/'))).toBe('source_missing');
  });

  it('a destination that is still to be made is in order, and its target is known', async () => {
    expect(await check('source/', 'new/copy/')).toEqual({ source: at('source'), target: at('new/copy'), existing: root });
    expect(await check('source', 'new/copy/')).toMatchObject({ target: at('new/copy/source') });
    expect(await check('source/file', 'new/copy')).toMatchObject({ target: at('new/copy') });
    expect(await check('source/file', 'new/copy/')).toMatchObject({ target: at('new/copy/file') });
  });

  it('a file goes into a folder that is there, with and without a slash at its end', async () => {
    await mkdir(at('there'));
    for (const there of ['there', 'there/']) expect(await check('source/file', there)).toMatchObject({ target: at('there/file') });
    await writeFile(at('other'), 'to be replaced');
    expect(await check('source/file', 'other')).toMatchObject({ target: at('other') });
  });

  it('a link does not lead out of the allowed folders', async () => {
    await symlink(outside, at('way-out'));
    await symlink(path.join(outside, 'nothing'), at('to-nothing'));
    await writeFile(path.join(outside, 'secret'), 'secret');
    expect(await codeOf(check('way-out/', 'copy/'))).toBe('path_not_allowed');
    expect(await codeOf(check('way-out/secret', 'copy/'))).toBe('path_not_allowed');
    expect(await codeOf(check('source/', 'way-out/copy/'))).toBe('path_not_allowed');
    expect(await codeOf(check('source/', 'way-out'))).toBe('path_not_allowed');
    expect(await codeOf(check('source/', 'to-nothing/copy'))).toBe('path_not_allowed');
    expect(await codeOf(checkPaths({ source: `${root}/../${path.basename(outside)}/`, destination: at('copy') }, [root]))).toBe(
      'path_not_allowed',
    );
  });

  it('an allowed folder may itself be a link', async () => {
    await symlink(root, path.join(outside, 'alias'));
    const alias = path.join(outside, 'alias');
    await expect(checkPaths({ source: `${alias}/source/`, destination: `${alias}/copy` }, [alias])).resolves.toMatchObject({
      source: at('source'),
    });
  });

  it('a folder whose name only begins like an allowed one is not allowed', async () => {
    await mkdir(path.join(outside, 'allowed-not'));
    const destination = path.join(outside, 'allowed-not', 'copy');
    expect(await codeOf(checkPaths({ source: at('source/'), destination }, [root, path.join(outside, 'allowed')]))).toBe(
      'path_not_allowed',
    );
  });

  it('source and destination do not overlap, also over links', async () => {
    await symlink(at('source'), at('same'));
    expect(await codeOf(check('source/', 'source'))).toBe('source_is_destination');
    expect(await codeOf(check('source/', 'same/'))).toBe('source_is_destination');
    expect(await codeOf(check('source/file', 'source/'))).toBe('source_is_destination');
    expect(await codeOf(check('source/', 'source/inner/copy'))).toBe('destination_in_source');
    expect(await codeOf(check('source/', 'same/copy'))).toBe('destination_in_source');
    expect(await codeOf(check('source/inner/', 'source/'))).toBe('source_in_destination');
    expect(await codeOf(check('source', './'))).toBe('source_is_destination');
    await expect(check('source/inner', 'elsewhere/')).resolves.toBeTruthy();
  });

  it('a file does not stand where a folder is needed', async () => {
    await writeFile(at('plain'), '');
    expect(await codeOf(check('source/', 'plain'))).toBe('destination_invalid');
    expect(await codeOf(check('source/', 'plain/deeper/copy'))).toBe('destination_invalid');
    expect(await codeOf(check('source/file', 'plain/'))).toBe('destination_invalid');
    await expect(check('source/file', 'plain')).resolves.toMatchObject({ target: at('plain') });
  });

  it('a destination that may not be written is told as such', async () => {
    // The right to write is asked of the system: its own folders are read-only even for root.
    expect(['destination_read_only', 'permission_denied']).toContain(
      await codeOf(checkPaths({ source: at('source/'), destination: '/proc/sys/copy' }, [root, '/proc'])),
    );
  });

  it('a circle of links and a name that is too long are told as such', async () => {
    await symlink(at('circle'), at('circle'));
    expect(await codeOf(check('circle/', 'copy'))).toBe('path_not_allowed');
    expect(await codeOf(check('source/', 'x'.repeat(300)))).toBe('path_not_allowed');
  });
});

describe('Before the first byte', () => {
  const { signal } = new AbortController();

  it('a copy that cannot fit is refused with the numbers', async () => {
    const paths = await check('source/', 'copy/');
    const failure = await failureOf(checkSpace(paths, 1e18, signal));
    expect(failure).toMatchObject({ code: 'disk_full', retriable: false });
    expect(failure.message).toContain('1000000000000000000 bytes');
    await expect(checkSpace(paths, 1, signal)).resolves.toBeUndefined();
  });

  it('what lies in the destination already counts as room', async () => {
    await mkdir(at('copy'));
    await writeFile(at('copy/file'), Buffer.alloc(64 * 1024, 1));
    // A file with a hole holds only what it takes up.
    await writeFile(at('copy/hole'), '');
    await truncate(at('copy/hole'), 1024 ** 4);
    await chmod(at('copy/hole'), 0o600);
    const paths = await check('source/', 'copy/');
    const full = { ...paths, existing: '/proc' };
    await expect(checkSpace(full, 64 * 1024, signal)).resolves.toBeUndefined();
    expect(await codeOf(checkSpace(full, 1024 ** 3, signal))).toBe('disk_full');
  });
});
