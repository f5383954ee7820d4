import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobError, type ErrorCode } from '../../actors/errors.js';
import { NOT_IN_NAMES } from '../../actors/job.js';
import { JournalUnreadable } from '../../actors/journal.js';
import { LIMITS } from '../../actors/limits.js';
import { parseJson, parseRequest } from '../../actors/parse-request.js';
import { checkPlace, isWithin, overlaps } from '../../actors/paths.js';
import { REQUESTS, VERBS, createSchemaFor } from '../../actors/requests.js';
import { decodeRecord, encodeRecord } from '../../src/nats/journal-record.js';
import { draftOf } from '../journal/contract.js';

function codeOf(run: () => unknown): ErrorCode | 'taken' {
  try {
    run();
    return 'taken';
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    expect(error.message).not.toMatch(/\[object|\n {4}at /);
    return error.code;
  }
}

describe('a request body', () => {
  test.each([
    ['not JSON', '{', 'invalid_request'],
    ['two values', '{}{}', 'invalid_request'],
    ['a number past every number', '{"a":1e999}', 'invalid_request'],
    ['a field that would change every object', '{"a":{"__proto__":{}}}', 'invalid_request'],
    ['nested too deep', '['.repeat(LIMITS.requestDepth + 1) + ']'.repeat(LIMITS.requestDepth + 1), 'invalid_request'],
    ['nested far too deep', '['.repeat(400_000) + ']'.repeat(400_000), 'invalid_request'],
    ['too large', `"${'x'.repeat(LIMITS.requestBytes)}"`, 'payload_too_large'],
    ['nested as deep as may be', '['.repeat(LIMITS.requestDepth) + ']'.repeat(LIMITS.requestDepth), 'taken'],
    ['empty', '', 'taken'],
  ])('that is %s: %#', (_what, text, code) => {
    expect(codeOf(() => parseJson(text))).toBe(code);
  });

  test('of any verb is taken or refused by its field, whatever it is', () => {
    const fields = [...new Set(VERBS.flatMap((verb) => Object.keys((REQUESTS[verb] as { shape?: object }).shape ?? {})))];
    const body = fc.oneof(
      fc.json().map((text) => JSON.parse(text) as unknown),
      fc.dictionary(fc.constantFrom('type', 'source', 'destination', 'updates', ...fields), fc.jsonValue()),
      fc.record({ type: fc.constantFrom('rsync', 'rclone', 'own', 'Own', 5), options: fc.jsonValue() }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...VERBS), body, (verb, value) => {
        const schema = verb === 'create' ? createSchemaFor(value) : REQUESTS[verb];
        expect(['taken', 'invalid_request']).toContain(codeOf(() => parseRequest<unknown>(schema, value)));
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    [{ type: 'rsync', source: '/a' }, 'destination'],
    [{ type: 'own', labels: { 'a b': 'c' } }, 'labels.a b'],
    [{ type: 'own', name: 'line\nbreak' }, 'name'],
    [{ type: 'own', options: { maxRetries: -1 } }, 'options.maxRetries'],
    [{ type: 'rsync', source: '/a', destination: '/b', options: { excludes: ['ok', 'no\n'] } }, 'options.excludes[1]'],
    [{ type: 'own', stranger: 1 }, 'stranger'],
    [{ type: 'rsync', source: '/a', destination: '/b', options: { stranger: 1 } }, 'options.stranger'],
    [{}, 'type'],
  ])('is refused naming the field: %j', (body, field) => {
    expect(() => parseRequest<unknown>(createSchemaFor(body), body)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: expect.objectContaining({ field }) as object }) as Error,
    );
  });
});

describe('a path', () => {
  test.each<[string, ErrorCode | 'taken']>([
    ['/mnt', 'taken'],
    ['/mnt/', 'taken'],
    ['//mnt//photos/./2026', 'taken'],
    ['/mnt/..hidden', 'taken'],
    ['/mnt/a b\n*?[x]', 'taken'],
    ['/mntx', 'path_not_allowed'],
    ['/', 'path_not_allowed'],
    ['/mnt/../etc', 'path_not_allowed'],
    ['/mnt/..', 'path_not_allowed'],
    ['mnt/photos', 'path_not_allowed'],
    ['', 'path_not_allowed'],
    ['-rf', 'path_not_allowed'],
    ['~/photos', 'path_not_allowed'],
    ['host:/mnt', 'remote_not_allowed'],
    ['user@host:photos', 'remote_not_allowed'],
    ['rsync://host/mnt', 'remote_not_allowed'],
    [':local:/mnt', 'remote_not_allowed'],
    ['good:photos', 'remote_not_allowed'],
    ['/mnt/a\0b', 'invalid_request'],
  ])('%j within /mnt and /media: %s', (path, code) => {
    expect(codeOf(() => checkPlace('source', path, 'rsync', { roots: ['/mnt', '/media/'], remotes: ['good'], hosts: ['good'] }))).toBe(
      code,
    );
  });

  test.each<[string, ErrorCode | 'taken']>([
    ['good:', 'taken'],
    ['good:photos/2026/', 'taken'],
    ['good:/a:b\n,x=y', 'taken'],
    ['/mnt/a:b', 'taken'],
    ['Good:photos', 'remote_not_allowed'],
    ['other:photos', 'remote_not_allowed'],
    ['good,env_auth=true:photos', 'remote_not_allowed'],
    ['good,:photos', 'remote_not_allowed'],
    [':good:photos', 'remote_not_allowed'],
    [':webdav,url="http://127.0.0.1:1/",bearer_token_command="touch /tmp/x":', 'remote_not_allowed'],
    [' good:photos', 'remote_not_allowed'],
    ['good :photos', 'remote_not_allowed'],
    ['good\n:photos', 'remote_not_allowed'],
    ['-good:photos', 'remote_not_allowed'],
    ['user@good:photos', 'remote_not_allowed'],
    ['good:../x', 'path_not_allowed'],
    ['good:a/..', 'path_not_allowed'],
    ['good/x:photos', 'path_not_allowed'],
    ['good:a\0b', 'invalid_request'],
  ])('of rclone, %j with the remote good: %s', (path, code) => {
    expect(codeOf(() => checkPlace('source', path, 'rclone', { roots: ['/mnt'], remotes: ['good'], hosts: ['good'] }))).toBe(code);
  });

  test.each(['good,env_auth=true:photos', ':good:photos', '-good:photos', 'go od:photos', 'good,:photos'])(
    'of rclone with settings in the name of the remote is no remote, even if somebody allowed it: %j',
    (place) => {
      const allowed = { roots: ['/mnt'], remotes: [place.slice(0, place.lastIndexOf(':'))], hosts: [] };
      expect(codeOf(() => checkPlace('source', place, 'rclone', allowed))).toBe('remote_not_allowed');
    },
  );

  test('of rclone is on an allowed remote or within the roots, whatever it is made of', () => {
    const part = fc.oneof(
      fc.constantFrom('good', 'mnt', '/', ':', ',', '..', '=', '"', '-', '\n', '@'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const place = parts.join('');
        const taken =
          codeOf(() => checkPlace('source', place, 'rclone', { roots: ['/mnt'], remotes: ['good'], hosts: ['good'] })) === 'taken';
        const isAllowed = place.startsWith('good:') || (place.startsWith('/') && isWithin(place, '/mnt'));
        expect(taken).toBe(
          isAllowed &&
            !place.includes('\0') &&
            !place
              .replace(/^good:/, '')
              .split('/')
              .includes('..'),
        );
      }),
      { numRuns: 1000 },
    );
  });

  const ALLOWED = ['nas', 'ada@nas', 'ada@[fe80::1]', 'rsync://nas/photos', 'rsync://ada@nas:8730/photos'];
  test.each<[string, ErrorCode | 'taken']>([
    ['nas:/', 'taken'],
    ['nas:/photos/', 'taken'],
    ['ada@nas:/a:b', 'taken'],
    ['ada@[fe80::1]:/photos', 'taken'],
    ['rsync://nas/photos/', 'taken'],
    ['rsync://ada@nas:8730/photos/2026/', 'taken'],
    ["nas:/$(touch x)/`x` 'a'/", 'taken'],
    ['NAS:/photos', 'remote_not_allowed'],
    ['eve@nas:/photos', 'remote_not_allowed'],
    ['nas:photos', 'remote_not_allowed'],
    ['nas:', 'remote_not_allowed'],
    ['nas::photos', 'remote_not_allowed'],
    ['nas:://photos', 'remote_not_allowed'],
    ['nas://photos', 'remote_not_allowed'],
    ['rsync://nas/other/', 'remote_not_allowed'],
    ['rsync://nas:873/photos/', 'remote_not_allowed'],
    ['rsync://nas/photos', 'remote_not_allowed'],
    ['rsync://nas', 'remote_not_allowed'],
    ['rsync://nas/photos-/x', 'remote_not_allowed'],
    ['-oProxyCommand=touch x:/y', 'remote_not_allowed'],
    ['-oProxyCommand=x@nas:/y', 'remote_not_allowed'],
    ['-e@nas:/y', 'remote_not_allowed'],
    ['nas -oX=y:/z', 'remote_not_allowed'],
    ['nas\n:/photos', 'remote_not_allowed'],
    ['ada@eve@nas:/x', 'remote_not_allowed'],
    ['ssh://nas/x', 'remote_not_allowed'],
    ['nas:/photos/../x', 'path_not_allowed'],
    ['rsync://nas/photos/..', 'path_not_allowed'],
    ['rsync://nas/../photos/', 'remote_not_allowed'],
    ['nas:/a\nb', 'path_not_allowed'],
    ['nas:/a\u001b[31m', 'path_not_allowed'],
    ['nas:/*', 'path_not_allowed'],
    ['nas:/a?b', 'path_not_allowed'],
    ['nas:/a[b', 'path_not_allowed'],
    ['nas:/a\\b', 'path_not_allowed'],
    ['nas:/a\0b', 'invalid_request'],
  ])('of rsync, %j where some hosts are allowed: %s', (place, code) => {
    expect(codeOf(() => checkPlace('source', place, 'rsync', { roots: ['/mnt'], remotes: ['nas'], hosts: ALLOWED }))).toBe(code);
  });

  test('of rsync is an allowed host and a path, or within the roots, whatever it is made of', () => {
    const part = fc.oneof(
      fc.constantFrom('nas', 'ada@', 'rsync://', 'photos', 'mnt', '/', ':', ',', '..', '-', '-e', '\n', '@', '*', '[', ']'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const place = parts.join('');
        if (codeOf(() => checkPlace('source', place, 'rsync', { roots: ['/mnt'], remotes: ['nas'], hosts: ALLOWED })) !== 'taken') return;
        const path = ALLOWED.map((host) => (host.includes('//') ? `${host}/` : `${host}:/`))
          .filter((start) => place.startsWith(start))
          .map((start) => place.slice(start.length - 1))[0];
        expect(path !== undefined || isWithin(place, '/mnt')).toBe(true);
        expect((path ?? '').search(NOT_IN_NAMES)).toBe(-1);
        expect(place.split('/')).not.toContain('..');
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['ada@nas:/photos', 'NAS:/photos/2026', true],
    ['ada@nas:/photos', 'eve@nas:/', true],
    ['rsync://nas/photos/a', 'rsync://ada@NAS:873/photos/', true],
    ['rsync://nas/photos/a', 'rsync://nas:8730/photos/', false],
    ['rsync://nas/photos/', 'rsync://nas/music/', false],
    ['ada@nas:/photos', 'ada@nas2:/photos', false],
    ['ada@nas:/photos', '/photos', false],
  ])('%s and %s are places that overlap: %s', (one, other, expected) => expect(overlaps(one, other)).toBe(expected));

  test('on a remote overlaps places on that remote only', () => {
    const parts = fc.array(fc.constantFrom('a', 'b', '.', ''), { maxLength: 3 }).map((list) => list.join('/'));
    const remote = fc.constantFrom('', 'one:', 'two:');
    fc.assert(
      fc.property(remote, parts, remote, parts, (oneRemote, one, otherRemote, other) => {
        const expected = oneRemote === otherRemote && (isWithin(`/${one}`, `/${other}`) || isWithin(`/${other}`, `/${one}`));
        expect(overlaps(`${oneRemote || '/'}${one}`, `${otherRemote || '/'}${other}`)).toBe(expected);
      }),
    );
  });

  test('is within a folder when its parts begin with those of the folder', () => {
    const parts = fc.array(fc.constantFrom('a', 'b', 'ab', '.', ''), { maxLength: 4 });
    fc.assert(
      fc.property(parts, parts, (inner, outer) => {
        const plain = (list: string[]) => list.filter((part) => part !== '' && part !== '.');
        const expected = plain(outer).every((part, n) => plain(inner)[n] === part);
        expect(isWithin(`/${inner.join('/')}`, `/${outer.join('/')}`)).toBe(expected);
      }),
    );
  });
});

describe('a journal record', () => {
  const text = fc.string({ unit: 'binary', maxLength: 50 });

  test('gives back every text', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, fc.jsonValue()), { maxLength: 10 }), text, (changes, commit) => {
        const lines = changes.map(([id, input]) => JSON.stringify({ put: { id, input } }));
        const draft = draftOf('', { lines, commit, at: commit });
        const { lines: _, ...head } = draft;
        expect(decodeRecord(encodeRecord(draft), 5)).toEqual({
          ...head,
          seq: 5,
          changes: lines.map((line) => JSON.parse(line) as unknown),
        });
      }),
    );
  });

  test('of which one bit is wrong, or a part missing, is refused by its number', () => {
    const whole = encodeRecord(draftOf('a', { commit: 'fixed' }));
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const bytes = whole.slice();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeRecord(bytes, 7)).toThrow(JournalUnreadable);
    }
    for (let length = 0; length < whole.length; length += 1) expect(() => decodeRecord(whole.slice(0, length), 7)).toThrow(/^Record 7 /);
  });
});
