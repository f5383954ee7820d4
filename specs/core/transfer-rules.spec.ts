import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JobError } from '../../actors/errors.js';
import { parseRequest } from '../../actors/parse-request.js';
import { createSchemaFor } from '../../actors/requests.js';
import { checkTransfer, type Transfer } from '../../actors/transfer-rules.js';

/** The field that is refused, or null. */
function refused(source: string, destination: string, options: object = {}, type = 'rsync'): string | null {
  const body = { type, source, destination, options };
  try {
    checkTransfer(
      { roots: ['/mnt'], remotes: ['cloud'], hosts: ['ada@nas', 'rsync://nas/photos'] },
      parseRequest(createSchemaFor(body), body) as Transfer,
    );
    return null;
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    return String(error.details['field']);
  }
}

test.each([
  ['/mnt/a/', '/mnt/a'],
  ['/mnt/a/', '/mnt//a/./'],
  ['/mnt/a', '/mnt'],
  ['/mnt/a', '/mnt/a'],
  ['/mnt/a/', '/mnt/a/b'],
  ['/mnt/a', '/mnt/a/b'],
  ['/mnt/a/b/', '/mnt/a'],
  ['/mnt/a/b/b', '/mnt/a'],
])('a copy of %s to %s is refused at once', (source, destination) => expect(refused(source, destination)).toBe('destination'));

test.each([
  ['/mnt/a/', '/mnt/ab/'],
  ['/mnt/a/b', '/mnt/'],
  ['/mnt/a/b', '/mnt/c'],
  ['/mnt/a/b/c', '/mnt/a'],
])('a copy of %s to %s is taken', (source, destination) => expect(refused(source, destination)).toBeNull());

test('whatever is taken neither overwrites its source nor copies itself', () => {
  const parts = fc.array(fc.constantFrom('a', 'b', '.', ''), { maxLength: 4 }).map((names) => ['/mnt', ...names].join('/'));
  fc.assert(
    fc.property(parts, parts, (source, destination) => {
      if (refused(source, destination) !== null) return;
      const plain = (path: string) =>
        `/${path
          .split('/')
          .filter((part) => part !== '' && part !== '.')
          .join('/')}/`;
      const from = plain(source);
      const to = source.endsWith('/') ? plain(destination) : plain(`${destination}/${from.split('/').at(-2)}`);
      expect(from.startsWith(to) || to.startsWith(from)).toBe(false);
    }),
  );
});

const mirror = { deleteExtraneous: true, maxDelete: 5 };
test.each<[object, string | null]>([
  [mirror, null],
  [{ ...mirror, trash: '/mnt/trash' }, null],
  [{ ...mirror, maxDelete: 0 }, null],
  [{ deleteExtraneous: false, trash: null, maxDelete: null, marker: null, requireMount: null }, null],
  [{ deleteExtraneous: true }, 'options.maxDelete'],
  [{ maxDelete: 5 }, 'options.maxDelete'],
  [{ trash: '/mnt/trash' }, 'options.trash'],
  [{ ...mirror, trash: '/etc' }, 'options.trash'],
  [{ ...mirror, trash: '/mnt/../etc' }, 'options.trash'],
  [{ ...mirror, trash: '/mnt/b/trash' }, 'options.trash'],
  [{ ...mirror, trash: '/mnt/b' }, 'options.trash'],
  [{ ...mirror, trash: '/mnt/a/trash' }, 'options.trash'],
  [{ ...mirror, trash: '/mnt' }, 'options.trash'],
  [{ ...mirror, deleteSource: { mode: 'after_verify', confirmed: true } }, 'options.deleteSource.mode'],
  [{ marker: { destination: '.disk-7' } }, null],
  [{ marker: { destination: 'a/b' } }, 'options.marker.destination'],
  [{ marker: { destination: '..' } }, 'options.marker.destination'],
  [{ marker: { destination: '*' } }, 'options.marker.destination'],
  [{ marker: { source: 'a\nb' } }, 'options.marker.source'],
  [{ requireMount: 'all' }, 'options.requireMount'],
])('a mirror and its guards say what is needed and nothing that contradicts: %j', (options, field) => {
  expect(refused('/mnt/a/', '/mnt/b/', options)).toBe(field);
});

test.each<[string, string, object, string | null]>([
  ['/mnt/a/', 'cloud:b', {}, null],
  ['cloud:a/', '/mnt/b', {}, null],
  ['cloud:a/', 'cloud:b/', {}, null],
  ['cloud:a/', 'cloud:a/b', {}, 'destination'],
  ['cloud:a/', 'cloud:', {}, 'destination'],
  ['/mnt/a/', 'other:b', {}, 'destination'],
  ['/mnt/a/', 'cloud:b', { requireMount: 'both' }, 'options.requireMount'],
  ['/mnt/a/', 'cloud:b', { marker: { destination: 'x' } }, null],
  ['/mnt/a/', 'cloud:b', { marker: { source: 'x' } }, null],
  ['/mnt/a/', 'cloud:b', mirror, null],
  ['/mnt/a/', 'cloud:b', { ...mirror, trash: 'cloud:trash' }, null],
  ['/mnt/a/', 'cloud:b', { ...mirror, trash: 'cloud:b/trash' }, 'options.trash'],
  ['/mnt/a/', 'cloud:b', { ...mirror, trash: '/mnt/trash' }, 'options.trash'],
  ['cloud:a/', '/mnt/b', { ...mirror, trash: 'cloud:trash' }, 'options.trash'],
  ['/mnt/a/', '/mnt/b', { deleteSource: { mode: 'after_verify', confirmed: true } }, null],
  ['/mnt/a/', 'cloud:b', { deleteSource: { mode: 'after_verify', confirmed: true } }, null],
  ['/mnt/a/', 'cloud:b', { deleteSource: { mode: 'after_verify' } }, 'options.deleteSource.confirmed'],
  ['cloud:a/', 'cloud:b', { deleteSource: { mode: 'per_file', confirmed: true } }, 'options.deleteSource.mode'],
  ['cloud:a/', '/mnt/b', { deleteSource: { mode: 'per_file', confirmed: true } }, 'options.deleteSource.mode'],
])('rclone from %s to %s with %j', (source, destination, options, field) => {
  expect(refused(source, destination, options, 'rclone')).toBe(field);
});

test.each([
  ['several rsyncs at once', 'parallel', 4],
  ['a list of what needed no copy', 'listUnchanged', true],
] as const)('%s is for rsync alone', (_what, option, value) => {
  expect(refused('/mnt/a/', '/mnt/b/', { [option]: value })).toBeNull();
  expect(refused('/mnt/a/', '/mnt/b/', { [option]: value }, 'rclone')).toBe(`options.${option}`);
});

test.each<[string, string, object, string | null]>([
  ['/mnt/a/', 'ada@nas:/a/', {}, null],
  ['rsync://nas/photos/', '/mnt/a/', mirror, null],
  ['/mnt/a/', 'ada@nas:/a/', mirror, null],
  ['/mnt/a/', 'ada@nas:/a/', { ...mirror, trash: '/mnt/trash' }, 'options.trash'],
  ['ada@nas:/a/', '/mnt/a/', { ...mirror, trash: '/mnt/trash' }, null],
  ['ada@nas:/a/', 'rsync://nas/photos/', {}, 'destination'],
  ['ada@nas:/a/', 'ada@nas:/b/', {}, 'destination'],
  ['ada@nas:/a/', '/mnt/a/', { deleteSource: { mode: 'per_file', confirmed: true } }, 'options.deleteSource.mode'],
  ['/mnt/a/', 'ada@nas:/a/', { deleteSource: { mode: 'after_verify', confirmed: true } }, 'options.deleteSource.mode'],
  ['/mnt/a/', 'ada@nas:/a/', { requireMount: 'source', marker: { source: 'disk' } }, null],
  ['/mnt/a/', 'ada@nas:/a/', { requireMount: 'both' }, 'options.requireMount'],
  ['/mnt/a/', 'ada@nas:/a/', { marker: { destination: 'disk' } }, null],
])('a copy of %s to %s with %j is refused for %s', (source, destination, options, field) => {
  expect(refused(source, destination, options)).toBe(field);
});
