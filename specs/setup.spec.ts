import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, constants, cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/**
 * A checkout in miniature: the real set-up and the real build, a service that
 * only tells how it was called, and a machine without anything but Node, a
 * shell and an apt that plays what each case needs (no spec leaves this machine).
 */
const SERVICE = `
process.on('SIGTERM', () => { console.log('drained'); process.exit(7); });
console.log(JSON.stringify(process.argv.slice(2)), process.pid);
setInterval(() => undefined, 1000);
`;

/** VERSIONS: what each suite has, as "sid=2.15.1 own=2.9.0"; a suite that is not there fails. The "package" is its name and version. */
const APT_GET = `#!/bin/sh
[ "$1" = --version ] && exit 0
archives=. ; suite=own; action=; name=
for word; do
  case "$word" in
    Dir::Cache=*) archives="\${word#Dir::Cache=}/archives" ;;
    Dir::Etc::SourceList=*) read -r _ _ _ suite _ < "\${word#Dir::Etc::SourceList=}" ;;
    update|download|install) action="$word" ;;
  esac
  name="$word"
done
version=
for pair in $VERSIONS; do [ "\${pair%%=*}" = "$suite" ] && version="\${pair#*=}"; done
[ -n "$version" ] || { echo "no such suite: $suite" >&2; exit 100; }
[ "$action" = update ] || echo "$name $version" > "$archives/$name.deb"
`;

const DPKG_DEB = `#!/bin/sh
[ "$1" = --version ] && exit 0
read -r name version < "$2"
mkdir -p "$3/usr/bin"
printf '#!/bin/sh\\necho %s: v%s\\n' "$name" "$version" > "$3/usr/bin/$name"
chmod +x "$3/usr/bin/$name"
case "$version" in broken-*) exit 2 ;; esac
`;

const KNOWS_DEBIAN = { VERSIONS: 'sid=2.15.1 testing=2.15.0 stable=2.10.27 own=3.2.7' };

let machine: string;
let checkout: string;
let bin: string;

beforeAll(async () => {
  machine = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
  checkout = path.join(machine, 'a checkout');
  bin = path.join(machine, 'bin');
  await mkdir(path.join(checkout, 'src'), { recursive: true });
  for (const file of [
    'setup',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'src/tools.ts',
    'src/package-root.ts',
  ]) {
    await cp(file, path.join(checkout, file), { recursive: true });
  }
  await symlink(path.resolve('node_modules'), path.join(checkout, 'node_modules'));
  const longAgo = new Date(0);
  await utimes(path.join(checkout, 'package-lock.json'), longAgo, longAgo);
  await writeFile(path.join(checkout, 'src/main.ts'), SERVICE);
  await mkdir(path.join(checkout, 'actors'));
  await program('apt-get', APT_GET);
  await program('dpkg-deb', DPKG_DEB);
  await symlink(process.execPath, path.join(bin, 'node'));
  for (const name of ['sh', 'mkdir', 'chmod', 'cat']) await symlink(`/bin/${name}`, path.join(bin, name));
});
afterAll(() => rm(machine, { recursive: true, force: true }));
beforeEach(() => rm(path.join(checkout, '.tools'), { recursive: true, force: true }));

async function program(name: string, text: string) {
  await mkdir(bin, { recursive: true });
  await writeFile(path.join(bin, name), text);
  await chmod(path.join(bin, name), 0o755);
}

const PREPARE = ['--input-type=module', '-e', "await (await import('./setup/prepare.mjs')).prepare()"];

function setUp(env: NodeJS.ProcessEnv = KNOWS_DEBIAN) {
  const { status, stdout, stderr } = spawnSync(process.execPath, PREPARE, { cwd: checkout, env: { PATH: bin, ...env }, encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('set-up', () => {
  test('on a bare machine builds and fetches nats-server, rsync and rclone, and says so', () => {
    const { status, stdout } = setUp();
    expect(stdout).toMatch(/fetching nats-server from .*\n.*nats-server \d+\.\d+\.\d+ is in \.tools/);
    expect(stdout).toMatch(/fetching rsync from the package sources of this machine\n.*rsync 3\.2\.7 is in \.tools/);
    expect(stdout).toMatch(/fetching rclone from the package sources of this machine\n.*rclone 3\.2\.7 is in \.tools/);
    expect(status).toBe(0);
  });

  test('makes a program that may be run, also when the build is made anew', async () => {
    for (let builds = 0; builds < 2; builds++) {
      await rm(path.join(checkout, 'dist'), { recursive: true, force: true });
      setUp();
      await expect(access(path.join(checkout, 'dist/src/main.js'), constants.X_OK)).resolves.toBeUndefined();
    }
  });

  test('has nothing to do and says nothing the second time', () => {
    setUp();
    expect(setUp({})).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('builds again when a source was changed, and only then', async () => {
    setUp();
    await writeFile(path.join(checkout, 'src/other.ts'), 'export const other = 1;\n');
    expect(setUp().stdout).toContain('building');
    expect(await readFile(path.join(checkout, 'dist/src/other.js'), 'utf8')).toContain('other = 1');
    expect(setUp().stdout).toBe('');
  });

  test('takes what the machine has before it fetches', async () => {
    await program('nats-server', '#!/bin/sh\necho nats-server: v2.10.0\n');
    await program('rsync', '#!/bin/sh\necho rsync version 3.2.7\n');
    await program('rclone', '#!/bin/sh\necho rclone v1.60.1\n');
    expect(setUp({}).stdout).not.toContain('fetching');
    await program('nats-server', '#!/bin/sh\necho nats-server: v2.9.99\n');
    expect(setUp().stdout).toContain('fetching nats-server');
    for (const name of ['nats-server', 'rsync', 'rclone']) await rm(path.join(bin, name));
  });

  test('does not take half a fetch for a whole one', async () => {
    const { status } = setUp({ VERSIONS: 'sid=broken-2.15.1 testing=broken-2.15.1 stable=broken-2.15.1 own=broken-2.15.1' });
    expect(status).toBe(1);
    expect(await readdir(path.join(checkout, '.tools'))).toEqual([]);
    expect(setUp().status).toBe(0);
  });

  test('goes on to the next source when one fails or has a version that is too old', () => {
    const { status, stdout } = setUp({ VERSIONS: 'stable=2.9.10 own=2.12.1' });
    expect(stdout).toContain('nats-server 2.12.1 is in .tools');
    expect(status).toBe(0);
  });

  test('without rsync and rclone to be had sets up all the same, and says what cannot run', () => {
    const { status, stdout } = setUp({ VERSIONS: 'sid=2.15.1' });
    for (const name of ['rsync', 'rclone'])
      expect(stdout).toContain(`no ${name}: no job of type ${name} can run until there is one. Install ${name}`);
    expect(status).toBe(0);
  });

  test('without apt says in one line what to do', async () => {
    await rm(path.join(bin, 'apt-get'));
    const { status, stderr, stdout } = setUp();
    await program('apt-get', APT_GET);
    expect(status).toBe(1);
    expect(stdout + stderr).toMatch(/Install nats-server 2\.10 or newer .*TALLYMAN_NATS_SERVER/);
  });

  test('says so when TALLYMAN_NATS_SERVER is not one', () => {
    const { status, stderr } = setUp({ ...KNOWS_DEBIAN, TALLYMAN_NATS_SERVER: '/bin/sh' });
    expect(status).toBe(1);
    expect(stderr).toContain('TALLYMAN_NATS_SERVER is /bin/sh, which is not a nats-server');
  });
});

test('npm start is the service itself: arguments, signals and exit code are its own', async () => {
  setUp();
  const child = spawn(process.execPath, ['setup/start.mjs', '--http-port', '0'], {
    cwd: checkout,
    env: { PATH: bin },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  await expect.poll(() => said.join('')).toBe(`["serve","--http-port","0"] ${child.pid}\n`);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([7, null]);
  expect(said.join('')).toContain('drained');
});
