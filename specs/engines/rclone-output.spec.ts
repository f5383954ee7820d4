import { describe, expect, it } from 'vitest';
import { RcloneErrors } from '../../src/engines/rclone-failures.js';
import { parseLine, showName } from '../../src/engines/rclone-output.js';
import { RcloneProgress } from '../../src/engines/rclone-progress.js';

const parse = (line: string) => parseLine(Buffer.from(line));

describe('A line that rclone prints', () => {
  it('is a message about a file', () => {
    expect(parse('{"level":"info","msg":"Copied (new)","object":"a␊b","objectType":"*local.Object","time":"x"}')).toEqual({
      kind: 'message',
      level: 'info',
      text: 'a\nb: Copied (new)',
      file: 'a\nb',
      name: 'a␊b',
      skipped: null,
    });
  });

  it('is a message also when it is not JSON, or JSON of another kind', () => {
    expect(parse('2026/11/24 01:30:39 Failed to copy: no space')).toMatchObject({ level: 'error', text: 'Failed to copy: no space' });
    for (const odd of ['{"level":', '[]', 'null', '"text"', '{}', '{"level":1}', '\u001b[31m', '{"__proto__":{}}']) {
      expect(parse(odd)).toMatchObject({ kind: 'message', level: 'error', text: odd, file: null });
    }
    expect(parse('{"level":"new word","msg":"m"}')).toMatchObject({ level: 'error', text: 'm' });
  });

  it('is "notice" in newer versions where older ones say "warning"', () => {
    for (const level of ['notice', 'warning']) expect(parse(`{"level":"${level}","msg":"m"}`)).toMatchObject({ level: 'warning' });
  });

  it('is stats, with fields that may be missing or new', () => {
    const line = '{"level":"notice","msg":"m","stats":{"bytes":5,"totalBytes":9,"transfers":1,"totalTransfers":2,"eta":null,"listed":7}}';
    expect(parse(line)).toEqual({
      kind: 'stats',
      stats: { bytes: 5, totalBytes: 9, transfers: 1, totalTransfers: 2, speed: 0, errors: 0, transferring: [] },
    });
    expect(parse('{"level":"notice","msg":"m","stats":{"bytes":-5}}')).toMatchObject({ kind: 'message' });
  });
});

it('shows names as they are on the disk', () => {
  expect(showName('a␊b␉c␡d')).toBe('a\nb\tc\x7fd');
  expect(showName('‛␊ and ‛‛')).toBe('␊ and ‛');
  expect(showName('ünï-☃-😀-\u202e')).toBe('ünï-☃-😀-\u202e');
});

it('never passes 100 percent, and takes a source that grew into its totals', () => {
  const progress = new RcloneProgress({ filesTotal: 1, bytesTotal: 100 });
  const stats = { bytes: 150, totalBytes: 150, transfers: 2, totalTransfers: 2, speed: 0, errors: 0, transferring: [] };
  expect(progress.onStats(stats)).toMatchObject({
    percent: 99.9,
    bytesTransferred: 150,
    bytesTotal: 150,
    filesTotal: 2,
    bytesPerSecond: null,
  });
  expect(progress.end(stats)).toMatchObject({ percent: 100, etaSeconds: 0 });
});

describe('A failure is named by its cause', () => {
  it.each([
    ['Failed to copy: write /d/f: no space left on device', 1, 'disk_full', false],
    ['Failed to copy: preallocate: file too big for remaining disk space', 1, 'disk_full', false],
    ['Failed to copy: open /d/f: read-only file system', 1, 'destination_read_only', false],
    ['Failed to copy: failed to open source object: open /s/f: permission denied', 1, 'permission_denied', false],
    ['Failed to copy: open /d/f: file name too long', 1, 'name_too_long', false],
    ['Failed to copy: read /s/f: input/output error', 1, 'io_error', true],
    ['Failed to create file system for "x:": didn\'t find section in config file', 1, 'remote_not_configured', false],
    ["couldn't connect SSH: ssh: handshake failed: ssh: unable to authenticate", 1, 'login_refused', false],
    ['read metadata failed: Unauthorized: 401 Unauthorized', 1, 'login_refused', false],
    ['Propfind "http://127.0.0.1:9/x": dial tcp 127.0.0.1:9: connect: connection refused', 1, 'network', true],
    ['dial tcp: lookup nosuch.invalid: no such host', 1, 'network', true],
    ['googleapi: Error 429 : Too many requests', 1, 'remote_busy', true],
    ['corrupted on transfer: md5 hash differ "a" vs "b"', 1, 'source_changed', true],
    ["can't copy - source file is being updated (size changed from 1 to 2)", 1, 'source_changed', true],
    ['Failed to create file system for "f": is a file not a directory', 1, 'destination_invalid', false],
    ['Failed to copy: is a directory not a file', 1, 'destination_invalid', false],
    ['error reading source root directory: directory not found', 3, 'source_missing', false],
    ['something new', 1, 'engine_error', false],
    ['something new', 5, 'remote_busy', true],
    ['Error: unknown flag: --metadata', 1, 'engine_unsuitable', false],
  ])('%s', (text, code, cause, retriable) => {
    const errors = new RcloneErrors();
    errors.add({ kind: 'message', level: 'error', text, file: null, name: null, skipped: null });
    expect(errors.failure({ code, signal: null })).toMatchObject({
      code: cause,
      retriable,
      exitCode: code,
      message: expect.stringContaining(text) as unknown,
    });
  });

  it('and by the signal that ended it', () => {
    expect(new RcloneErrors().failure({ code: null, signal: 'SIGKILL' })).toMatchObject({
      code: 'interrupted',
      retriable: true,
      exitCode: null,
    });
  });
});
