import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobError, type ErrorCode } from '../../actors/errors.js';
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
    [{ type: 'own', stranger: 1 }, ''],
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
    expect(codeOf(() => checkPlace('source', path, 'rsync', { roots: ['/mnt', '/media/'], remotes: ['good'] }))).toBe(code);
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
    expect(codeOf(() => checkPlace('source', path, 'rclone', { roots: ['/mnt'], remotes: ['good'] }))).toBe(code);
  });

  test('of rclone is on an allowed remote or within the roots, whatever it is made of', () => {
    const part = fc.oneof(
      fc.constantFrom('good', 'mnt', '/', ':', ',', '..', '=', '"', '-', '\n', '@'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const place = parts.join('');
        const taken = codeOf(() => checkPlace('source', place, 'rclone', { roots: ['/mnt'], remotes: ['good'] })) === 'taken';
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
