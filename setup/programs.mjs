import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { built, run, say } from './prepare.mjs';

const tools = /** @type {typeof import('../src/tools.js')} */ (await import(built('src/tools.js')));
const { findTool, toolsDir, versionOf } = tools;

const KEYRINGS = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp'];

/** What to do where there is no apt, or it cannot help. */
const ADVICE = {
  'nats-server':
    'Install nats-server 2.10 or newer ("brew install nats-server", or from https://github.com/nats-io/nats-server/releases) and put it on the PATH or name it in TALLYMAN_NATS_SERVER.',
  rsync: 'Install rsync ("brew install rsync", or with the package manager of this system).',
  rclone: 'Install rclone ("brew install rclone", with the package manager of this system, or from https://rclone.org/downloads).',
};

/**
 * Sees to it that a program is there: the one of this machine, or one fetched
 * into `.tools` from the Debian (or Ubuntu) archive, whose signature apt checks.
 * apt works with a state of its own: nothing of the machine is changed, and no
 * root is needed. A missing rsync or rclone is said and lived with; without nats-server nothing runs.
 * @param {keyof typeof ADVICE} name
 */
export function provide(name) {
  const named = (name === 'nats-server' && process.env.TALLYMAN_NATS_SERVER) || null;
  if (findTool(name, named)) return;
  if (named) throw new Error(`TALLYMAN_NATS_SERVER is ${named}, which is not a nats-server of version 2.10 or newer.`);
  if (hasApt()) for (const source of name === 'nats-server' ? [...debianSources(), OWN] : [OWN]) if (fetchFrom(source, name)) return;
  if (name === 'nats-server') throw new Error(ADVICE[name]);
  say(`no ${name}: no job of type ${name} can run until there is one. ${ADVICE[name]}`);
}

/** The browser of the specs. It takes much of a system with it, so it is installed and not unpacked. */
export function provideBrowser() {
  if (findTool('chromium')) return;
  const install = 'apt-get update && apt-get install -y --no-install-recommends chromium';
  if (!hasApt() || process.getuid?.() !== 0) {
    say(`no chromium: the specs of the dashboard will fail. Install it, on Debian as root: ${install}`);
    return;
  }
  say('installing chromium for the specs of the dashboard (apt-get install)');
  process.env.DEBIAN_FRONTEND ??= 'noninteractive';
  run('sh', ['-c', install]);
}

/**
 * The sshd of the specs, into `.tools`: it is not installed, so none is started by the system. With it comes
 * what lets it run with users of a file of ours, and ssh where this machine has none.
 */
export function provideSshd() {
  if (existsSync(path.join(toolsDir, 'sshd'))) return;
  if (hasApt() && fetchFrom(OWN, 'sshd', ['openssh-server', 'libnss-wrapper'])) return;
  say('no sshd: the specs of rsync over ssh will fail. They need apt, which fetches openssh-server and libnss-wrapper.');
}

const hasApt = () => ['apt-get', 'dpkg-deb'].every((program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0);

/** The sources that this machine is set up with. @type {Source} */
const OWN = { label: 'the package sources of this machine', line: null };

/** @typedef {{ label: string, line: string | null }} Source */

/**
 * Debian's archive from the newest suite down, by the mirror of this machine if it has one.
 * @returns {Source[]}
 */
function debianSources() {
  const keyring = KEYRINGS.find((file) => existsSync(file));
  if (!keyring) return [];
  const mirror = configuredMirror() ?? 'http://deb.debian.org/debian';
  return ['sid', 'testing', 'stable'].map((suite) => ({
    label: `Debian ${suite}`,
    line: `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`,
  }));
}

function configuredMirror() {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...(existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : [])];
  const lines = files
    .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'));
  return lines.flatMap((line) => /^[^#]*?(https?:\/\/\S+\/debian)\/?(\s|$)/.exec(line)?.[1] ?? [])[0];
}

/**
 * @param {Source} source
 * @param {import('../src/tools.js').ToolName} name
 * @param {string[]} packages that hold it
 * @returns {boolean} whether the program is there now and runs
 */
function fetchFrom(source, name, packages = [name]) {
  mkdirSync(toolsDir, { recursive: true });
  const work = mkdtempSync(path.join(toolsDir, 'fetch-'));
  try {
    say(`fetching ${name} from ${source.label}`);
    const unpacked = path.join(work, 'unpacked');
    for (const file of download(source, packages, work)) run('dpkg-deb', ['-x', file, unpacked]);
    const target = path.join(toolsDir, name);
    rmSync(target, { recursive: true, force: true });
    renameSync(unpacked, target);
    const tool = findTool(name);
    say(
      tool
        ? `${name} ${versionOf(tool) ?? ''} is in ${path.relative(process.cwd(), tool.path)}`
        : `the ${name} of ${source.label} is too old or does not run here`,
    );
    return tool !== null;
  } catch (error) {
    say(`that did not work: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * The packages, with those that they need and this machine has not. Of nats-server the
 * package alone: it needs nothing, and what a newer suite says it needs would replace half a system.
 * @param {Source} source
 * @param {string[]} packages
 * @param {string} work
 */
function download(source, packages, work) {
  for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(path.join(work, folder), { recursive: true });
  const settings = {
    'Dir::State': work,
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': path.join(work, 'cache'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'APT::Sandbox::User': 'root', // the user _apt may not be able to read this folder
    'Debug::NoLocking': 'true', // the lock of the machine's own state, which is only read
    'Dpkg::Use-Pty': 'false',
  };
  if (source.line !== null) {
    const list = path.join(work, 'sources.list');
    writeFileSync(list, source.line);
    Object.assign(settings, { 'Dir::Etc::SourceList': list, 'Dir::Etc::SourceParts': '-' });
  }
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  run('apt-get', ['-q', ...options, 'update']);
  const install = ['install', '-y', '--download-only', '--reinstall', '--no-install-recommends', ...packages];
  const archives = path.join(work, 'cache', 'archives');
  if (source.line === null) run('apt-get', ['-q', ...options, ...install]);
  else run('sh', ['-c', 'cd "$1" && shift && exec apt-get "$@"', 'sh', archives, '-q', ...options, 'download', ...packages]);
  return readdirSync(archives).flatMap((file) => (file.endsWith('.deb') ? path.join(archives, file) : []));
}
