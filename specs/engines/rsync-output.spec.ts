import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../src/engines/lines.js';
import { RsyncErrors } from '../../src/engines/rsync-failures.js';
import { parseLine, unglued } from '../../src/engines/rsync-output.js';
import { RsyncProgress } from '../../src/engines/rsync-progress.js';

const parse = (text: string) => parseLine(Buffer.from(text, 'latin1'));

describe("rsync's output is read as it was captured from the program:", () => {
  it.each([
    ['          32768   0%    0.00kB/s    0:00:00  ', { bytes: 32768, bytesPerSecond: 0, filesDone: null, toCheck: null }],
    ['        1671168  27%    1.46MB/s    0:00:02  ', { bytes: 1671168, bytesPerSecond: 1.46 * 1024 ** 2, filesDone: null }],
    [
      '        6000000 100%    2.00GB/s  123:00:03 (xfr#1, to-chk=0/1)',
      { bytes: 6000000, bytesPerSecond: 2 * 1024 ** 3, filesDone: 1, toCheck: { left: 0, of: 1 } },
    ],
    [
      '              4   0%    0.00kB/s   ??:??:?? (xfr#1, ir-chk=1020/1141)   ',
      { bytes: 4, filesDone: 1, toCheck: { left: 1020, of: 1141 } },
    ],
    [
      '          20520 100%  227.67kB/s    0:00:00 (xfr#3600, to-chk=0/3661)',
      { bytes: 20520, bytesPerSecond: 227.67 * 1024, filesDone: 3600 },
    ],
  ])('the progress line %j', (text, expected) => {
    expect(parse(text)).toMatchObject({ kind: 'progress', ...expected });
  });

  it.each([
    ['>f+++++++++|3|a.txt', { change: '>', type: 'f', bytes: 3, name: 'a.txt' }],
    ['<fcsT......|3|a|b', { change: '<', type: 'f', name: 'a|b' }],
    ['.f         |1|new\\#012line\\#033', { change: '.', name: 'new\nline\u001b' }],
    ['cd+++++++++|4096|sub/', { change: 'c', type: 'd', name: 'sub/' }],
    ['>f+++++++++|1|\\#134#012', { name: '\\#012' }],
    ['>f+++++++++|1|\\#9', { name: '\\#9' }],
    ['>f+++++++++|1|f\u00ff', { name: 'f\ufffd' }],
    ['>f+++++++++|1|\u00c3\u00bc', { name: 'ü' }],
    ['*deleting  |0|extra', { change: '*', name: 'extra' }],
  ])('the file line %j', (text, expected) => {
    expect(parse(text)).toMatchObject({ kind: 'file', ...expected });
  });

  it('the totals', () => {
    const byType = { reg: 7, dir: 2, link: 1 };
    expect(parse('Number of files: 10 (reg: 7, dir: 2, link: 1)')).toEqual({ kind: 'stat', key: 'Number of files', value: 10, byType });
    expect(parse('Total transferred file size: 4200005 bytes')).toMatchObject({ key: 'Total transferred file size', value: 4200005 });
  });

  it.each([
    'created directory /x/y',
    'skipping non-regular file "link"',
    'sent 9 bytes  received 2 bytes  3.00 bytes/sec',
    '',
    '  12  5%',
    '>f+|1|x',
  ])('and the line %j is none of these', (text) => expect(parse(text)).toEqual({ kind: 'other' }));

  it('a line of another process that stands behind a progress line is one of its own', () => {
    const progress = '          9  42%    0.00kB/s    0:00:00 (xfr#3, to-chk=5/13)';
    for (const rest of ['cd+++++++++|4096|sub/deep/', 'skipping non-regular file "x"']) {
      expect(unglued(Buffer.from(progress + rest)).map(String)).toEqual([progress, rest]);
    }
    for (const line of [progress, `${progress}   `, '>f+++++++++|3| 9  42%    0.00kB/s    0:00:00 x', 'sent 9 bytes']) {
      expect(unglued(Buffer.from(line)).map(String)).toEqual([line]);
    }
  });

  it('in whatever pieces it arrives', () => {
    const whole = Buffer.from('\r  1%\r  2%\nname\n\n\r  3%');
    for (let size = 1; size <= whole.length; size++) {
      const lines: string[] = [];
      const splitter = new LineSplitter(100, (line) => lines.push(line.toString()));
      for (let at = 0; at < whole.length; at += size) splitter.push(whole.subarray(at, at + size));
      splitter.end();
      expect(lines).toEqual(['  1%', '  2%', 'name', '  3%']);
    }
  });
});

describe('the cause of a failure is told by errno and text, then by exit code:', () => {
  const failure = (code: number, ...lines: string[]) => {
    const errors = new RsyncErrors();
    for (const line of lines) errors.add(line);
    return errors.failure({ code, signal: null });
  };
  it.each([
    [23, 'rsync: [sender] change_dir "/src/nosuch" failed: No such file or directory (2)', 'source_missing', false],
    [11, 'rsync: [Receiver] mkdir "/dst/a/b" failed: No such file or directory (2)', 'destination_missing', false],
    [23, 'rsync: [sender] send_files failed to open "/src/secret": Permission denied (13)', 'permission_denied', false],
    [
      23,
      'rsync: [sender] send_files failed to open "/src/No space left on device (28)": Permission denied (13)',
      'permission_denied',
      false,
    ],
    [11, 'rsync: [receiver] write failed on "/dst/huge.bin": No space left on device (28)', 'disk_full', false],
    [11, 'rsync: [receiver] write failed on "/dst/huge.bin": Disk quota exceeded (122)', 'disk_full', false],
    [11, 'rsync: [receiver] write failed on "/dst/huge.bin": File too large (27)', 'file_too_large', false],
    [23, 'rsync: [receiver] mkstemp "/dst/.f.ytugAE" failed: Read-only file system (30)', 'destination_read_only', false],
    [23, 'rsync: [receiver] mkstemp "/dst/.f.ytugAE" failed: File name too long (36)', 'name_too_long', false],
    [23, 'rsync: [sender] read errors mapping "/src/m": Input/output error (5)', 'io_error', true],
    [23, 'rsync: [sender] read errors mapping "/src/m": No data available (61)', 'io_error', true],
    [23, 'rsync: [sender] readlink_stat("/src/m") failed: Stale file handle (116)', 'network', true],
    [23, 'ERROR: x failed verification -- update discarded.', 'source_changed', true],
    [3, 'ERROR: destination must be a directory when copying more than 1 file', 'destination_invalid', false],
    [23, 'could not make way for new regular file: plain', 'destination_invalid', false],
    [1, 'rsync: --mkpath: unknown option', 'engine_unsuitable', false],
    [30, 'rsync error: timeout in data send/receive (code 30) at io.c(1) [sender=3.5.0]', 'network', true],
    [20, 'rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(874) [sender=3.5.0]', 'interrupted', true],
    [99, '', 'engine_error', false],
  ])('exit %i with %j', (exitCode, line, code, retriable) => {
    const told = failure(exitCode, line);
    expect(told).toMatchObject({ code, retriable, exitCode, advice: expect.any(String) as unknown });
    expect(told.message).toContain(String(exitCode));
    expect(told.message).toContain(line);
  });

  it('the gravest of many causes names it, and it is tried again when that may help one file', () => {
    const told = failure(
      23,
      'rsync: [sender] send_files failed to open "/src/secret": Permission denied (13)',
      'rsync: [sender] read errors mapping "/src/m": Input/output error (5)',
    );
    expect(told).toMatchObject({ code: 'io_error', retriable: true });
  });

  it('and of very many lines the first and the last are told, within the limit of a message', () => {
    const lines = Array.from(
      { length: 10_000 },
      (_, at) => `rsync: [sender] send_files failed to open "/${at}${'x'.repeat(5000)}": Permission denied (13)`,
    );
    const { message } = failure(23, ...lines, 'rsync error: some files/attrs were not transferred');
    expect(message.length).toBeLessThan(8192);
    expect(message).toContain('open "/0x');
    expect(message).toContain('some files/attrs');
  });
});

describe('the time left', () => {
  const line = (bytes: number, bytesPerSecond: number) => ({
    kind: 'progress' as const,
    bytes,
    bytesPerSecond,
    filesDone: null,
    toCheck: null,
  });

  it('is not told until the rate is steady', () => {
    let nowMs = 0;
    const progress = new RsyncProgress({ filesTotal: 1, bytesTotal: 1000 }, () => (nowMs += 1000));
    const etas = [1, 50, 100, 100, 100, 100].map((rate) => progress.onProgress(line(500, rate)).etaSeconds);
    expect(etas).toEqual([null, null, null, null, 6, 5]);
  });

  it('is not told while nothing flows', () => {
    let nowMs = 0;
    const progress = new RsyncProgress({ filesTotal: 1, bytesTotal: 1000 }, () => (nowMs += 1000));
    const etas = [0, 0, 0, 0, 0].map((rate) => progress.onProgress(line(0, rate)).etaSeconds);
    expect(etas).toEqual([null, null, null, null, null]);
  });
});

it('a source that grows while it is copied makes the total grow, not the percentage pass its end', () => {
  const progress = new RsyncProgress({ filesTotal: 1, bytesTotal: 100 });
  const told = progress.onProgress({ kind: 'progress', bytes: 500, bytesPerSecond: 1, filesDone: 2, toCheck: null });
  expect(told).toMatchObject({ bytesTotal: 500, filesTotal: 2 });
  expect(told.percent).toBeLessThan(100);
});
