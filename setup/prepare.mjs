import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The checkout. Everything here runs with nothing but Node and npm on the machine. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The way to a file of the build, for `import()`. */
export const built = (/** @type {string} */ file) => pathToFileURL(path.join(root, 'dist', file)).href;

/** @param {string} text */
export const say = (text) => console.log(`[setup] ${text}`);

/**
 * Packages, build and programs: each only when it is missing or out of date.
 * Throws an error whose message says what to do.
 */
export async function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    throw new Error(`Node ${process.versions.node} is too old: install Node 20.19 or newer (https://nodejs.org).`);
  installPackages();
  build();
  const { provide } = await import('./programs.mjs');
  provide('nats-server');
  provide('rsync');
  provide('rclone');
}

/**
 * Runs a program with its output on the terminal; throws when it fails.
 * @param {string} program
 * @param {string[]} args
 */
export function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (error) throw new Error(`${program} did not start: ${error.message}`);
  if (status !== 0) throw new Error(`"${program} ${args.join(' ')}" failed: see above.`);
}

function installPackages() {
  // npm writes this file last, so half an installation does not pass for a whole one.
  if (modifiedMs('node_modules/.package-lock.json') >= modifiedMs('package-lock.json')) return;
  say('installing the npm packages (npm ci)');
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
}

function build() {
  const stamp = path.join(root, 'dist', '.built');
  const inputs = ['actors', 'src', 'tsconfig.json', 'tsconfig.build.json', 'node_modules/.package-lock.json'];
  if (existsSync(stamp) && Math.max(...inputs.map(newestMs)) < modifiedMs('dist/.built')) return;
  say('building');
  const startedAt = new Date();
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
  // npm does this when it links a program, and not again when the build is made anew.
  chmodSync(path.join(root, 'dist/src/main.js'), 0o755);
  writeFileSync(stamp, '');
  utimesSync(stamp, startedAt, startedAt); // what was changed during the build is built next time
}

/**
 * When a file, or the newest in a folder, was changed.
 * @param {string} name
 * @returns {number}
 */
function newestMs(name) {
  const own = modifiedMs(name);
  const full = path.join(root, name);
  if (own === 0 || !statSync(full).isDirectory()) return own;
  return Math.max(own, ...readdirSync(full).map((entry) => newestMs(path.join(name, entry))));
}

/** @param {string} name */
const modifiedMs = (name) => statSync(path.join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
