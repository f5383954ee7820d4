import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERROR_CATALOGUE, type ErrorBody } from '../../actors/errors.js';
import { parseCommandArgs } from '../../src/cli/args.js';
import { COMMANDS } from '../../src/cli/commands.js';
import { EXIT_CODES, exitCodeOfError } from '../../src/cli/exit-codes.js';
import { flagOf } from '../../src/cli/context.js';
import { absolutePath, placeOf } from '../../src/cli/paths.js';
import { SETTINGS } from '../../src/config.js';
import { MAIN, runCli } from './cli.js';

const command = (name: string) => COMMANDS.find((one) => one.name === name)!;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a wrong command line is told with what was meant, and ends with code 2', () => {
  test.each([
    [['lsit'], 'Did you mean list?'],
    [['list', '--sttus', 'failed'], 'Did you mean --status?'],
    [['list', '--status', 'runing'], 'Did you mean running?'],
    [['copy', 'only-one'], 'copy SRC DEST'],
    [['copy', 'a', 'b', 'c'], 'one word too many'],
    [['copy', '', 'b'], 'is empty'],
    [['list', '--limit', 'many'], 'whole number'],
    [['list', '--data', '--json'], '--data needs a value'],
    [['list', '--json=yes'], '--json takes no value'],
    [['copy', '--label', 'nightly', 'a', 'b'], 'KEY=VALUE'],
    [['create', '--type', 'report', '--verify', 'size'], '--verify is for transfers'],
    [['create', '--type', 'report', '--input', '{'], 'not JSON'],
    [['cleanup'], '--older-than'],
    [['completion', 'tcsh'], 'bash, zsh, fish'],
    [['show', '../../etc'], 'no id of a job'],
    [['serve', '--http-port', 'eighty'], 'TALLYMAN_HTTP_PORT'],
  ])('%j: %s', async (argv, told) => {
    const { code, stdout, stderr } = await runCli(argv, { cwd: folder });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.usage.code, stdout: '' });
    expect(stderr).toContain(told);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test.each([[['--help']], [['help', 'copy']], [['copy', '--help']], [['completion', 'bash']], [['--version']]])(
    '%j with --json is JSON, as everything is',
    async (argv) => {
      const { code, stdout } = await runCli([...argv, '--json']);
      expect(code).toBe(0);
      expect(Object.values(JSON.parse(stdout) as object)).toEqual([expect.any(String)]);
    },
  );

  test('with --json it is the error’s body', async () => {
    const { code, stderr } = await runCli(['list', '--nope', '--json']);
    expect(code).toBe(EXIT_CODES.usage.code);
    expect(JSON.parse(stderr) as ErrorBody).toMatchObject({ code: 'invalid_request', status: 400, executed: 'no' });
  });
});

describe('every command explains itself', () => {
  test('the overview names each one and each exit code', async () => {
    const { code, stdout } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const { name, summary } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name}\\b.* ${summary.replace(/[()]/g, '.')}$`, 'm'));
    for (const { means } of Object.values(EXIT_CODES)) expect(stdout).toContain(means);
  });

  test('each with its flags and at least one example', () => {
    for (const one of COMMANDS) {
      expect(one.examples.length, one.name).toBeGreaterThan(0);
      for (const [line] of one.examples) expect(line, one.name).toContain(`tallyman ${one.name}`);
    }
  });

  test('help COMMAND and COMMAND --help say the same', async () => {
    const [help, flag] = await Promise.all([runCli(['help', 'copy']), runCli(['copy', '--help'])]);
    expect(flag).toEqual(help);
    expect(help.stdout).toContain('--cancel-on-interrupt');
  });

  test('serve has a flag for every setting', async () => {
    const { stdout } = await runCli(['serve', '--help']);
    for (const name of Object.keys(SETTINGS)) expect(stdout).toMatch(new RegExp(`--${flagOf(name)} .*TALLYMAN_${name}\\b`));
  });

  test('--version tells the version', async () => expect(await runCli(['--version'])).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' }));
});

test('the words after -- are never flags, and flags take = or a blank', () => {
  const args = parseCommandArgs(command('copy'), ['--exclude=*.tmp', '--exclude', '-x', '-d', '--', '--help', '-b']);
  expect(args.positionals).toEqual(['--help', '-b']);
  expect(args.texts('exclude')).toEqual(['*.tmp', '-x']);
  expect(args.flag('detach')).toBe(true);
});

test('every error of the catalogue has an exit code of the table', () => {
  const codes = Object.values(EXIT_CODES).map(({ code }) => code as number);
  for (const code of Object.keys(ERROR_CATALOGUE) as (keyof typeof ERROR_CATALOGUE)[]) expect(codes).toContain(exitCodeOfError(code));
});

describe('paths become absolute and keep the meaning that they have to rsync', () => {
  test.each([
    ['photos', '/home/ada/photos'],
    ['photos/', '/home/ada/photos/'],
    ['.', '/home/ada/'],
    ['./photos//raw/.', '/home/ada/photos/raw/'],
    ['/mnt/x/', '/mnt/x/'],
    ['/', '/'],
    ['./a:b', '/home/ada/a:b'],
    ['../gone/x', '/home/gone/x'],
    ['-x', '/home/ada/-x'],
  ])('%s is %s', (typed, absolute) => expect(absolutePath(typed, '/home/ada')).toBe(absolute));

  test.each(['host:path', 'me@host:/path', 'rsync://host/module', ':sftp,host=h:/x'])('%s is a remote, and refused', (typed) => {
    expect(() => absolutePath(typed, '/')).toThrow(/remote/);
  });

  test.each([
    ['ada@nas:/photos', 'rsync', 'ada@nas:/photos'],
    ['rsync://nas/photos/', 'rsync', 'rsync://nas/photos/'],
    ['nas:/photos', 'rclone', 'nas:/photos'],
    ['./nas:/photos', 'rsync', '/home/ada/nas:/photos'],
  ])('%s of %s is %s', (typed, type, place) => expect(placeOf(typed, '/home/ada', type)).toBe(place));

  test.each(['ada@nas:photos', 'nas::module', 'rsync://nas', '-oProxyCommand=x:/y'])(
    '%s is no host of rsync, and what is one is said',
    (typed) => {
      expect(() => placeOf(typed, '/', 'rsync')).toThrow(/user@host:\/a\/path/);
    },
  );

  test('".." after a link leads where the disk says', async () => {
    await mkdir(path.join(folder, 'real/inner'), { recursive: true });
    await symlink(path.join(folder, 'real/inner'), path.join(folder, 'link'));
    expect(absolutePath('link/../x', folder)).toBe(path.join(folder, 'real/x'));
    expect(absolutePath('link/..', folder)).toBe(`${path.join(folder, 'real')}/`);
  });
});

test('without a service one line says how to start it, with code 6', async () => {
  const { code, stdout, stderr } = await runCli(['list'], { cwd: folder });
  expect({ code, stdout }).toEqual({ code: EXIT_CODES.unavailable.code, stdout: '' });
  expect(stderr).toMatch(/^tallyman: .*"npm start" or "tallyman serve".*\n$/);
});

test('a source that is not there is told before anything is sent', async () => {
  const { code, stderr } = await runCli(['copy', 'nothing-here', 'b'], { cwd: folder });
  expect(code).toBe(EXIT_CODES.usage.code);
  expect(stderr).toContain('does not exist');
});

describe('completion comes from the table of commands', () => {
  const complete = async (line: string): Promise<string[]> => {
    const words = line.split(' ');
    const script = `source <("${process.execPath}" "$MAIN" completion bash); COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _tallyman; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script], { env: { PATH: process.env['PATH'], MAIN } });
    return stdout.split('\n').filter(Boolean);
  };

  test('commands', async () => expect(await complete('tallyman re')).toEqual(['resume', 'retry', 'reorder']));
  test('flags of the command', async () => expect(await complete('tallyman copy --ex')).toEqual(['--exclude']));
  test('values of a flag', async () => expect(await complete('tallyman copy --verify ')).toEqual(['none', 'size', 'checksum']));
  test('commands to explain', async () => expect(await complete('tallyman help wa')).toEqual(['watch']));

  test.each(['zsh', 'fish'])('%s gets every command and flag', async (shell) => {
    const { stdout } = await runCli(['completion', shell]);
    for (const { name, options } of COMMANDS) {
      expect(stdout).toContain(name);
      for (const option of options) expect(stdout).toContain(shell === 'zsh' ? `--${option.name}[` : `-l ${option.name} `);
    }
  });
});
