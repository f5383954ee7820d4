import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const LINES_MAX = 300;

const sources = ['actors', 'src', 'specs'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|js|css)$/.test(name))
    .map((name) => path.posix.join(folder, name)),
);
const textOf = (file: string) => readFileSync(file, 'utf8');

/** What a file imports: a package, or a path from the top of the tree. */
function importsOf(file: string): string[] {
  const found = textOf(file).matchAll(/(?:^|[^\w.])(?:from|import)\s*\(?\s*'([^']+)'/g);
  return [...found].flatMap(([, name = '']) => (name.startsWith('.') ? path.posix.join(path.posix.dirname(file), name) : name));
}

const folderOf = (file: string) => file.split('/')[0] ?? '';
const under = (folder: string) => sources.filter((file) => folderOf(file) === folder);

test('actors decide and do nothing else: they import xstate, zod and one another', () => {
  const others = under('actors').flatMap((file) =>
    importsOf(file)
      .filter((name) => !['xstate', 'zod'].includes(name) && folderOf(name) !== 'actors')
      .map((name) => `${file} imports ${name}`),
  );
  expect(others).toEqual([]);
});

test('actors take time and chance from outside', () => {
  const impure = /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|process\.|setTimeout|setInterval|crypto\.|console\.|fetch)\b/;
  // Time is not asked for in actors, except by what is handed in.
  const users = under('actors').filter((file) => impure.test(withoutComments(textOf(file))));
  expect(users).toEqual([]);
});

test('src imports no specs', () => {
  const others = under('src').flatMap((file) =>
    importsOf(file)
      .filter((name) => folderOf(name) === 'specs')
      .map((name) => `${file} imports ${name}`),
  );
  expect(others).toEqual([]);
});

test('the CLI, the gateway and the worker reach the job table by NATS alone', () => {
  const outside = sources.filter((file) => /^src\/(cli|http|worker|dashboard)\//.test(file));
  const others = outside.flatMap((file) =>
    importsOf(file)
      .filter((name) => /^(actors\/job-manager|src\/nats\/(journal|job-service))\.js$/.test(name))
      .map((name) => `${file} imports ${name}`),
  );
  expect(others).toEqual([]);
});

test(`a file has at most ${LINES_MAX} lines`, () => {
  const long = [...under('actors'), ...under('src')]
    .map((file) => [file, textOf(file).split('\n').length - 1] as const)
    .filter(([, lines]) => lines > LINES_MAX);
  expect(long).toEqual([]);
});

test('no import goes round in a circle', () => {
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): string | null => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file].join(' → ');
    if (done.has(file)) return null;
    for (const name of valueImportsOf(file)) {
      const circle = visit(name, [...trail, file]);
      if (circle) return circle;
    }
    done.add(file);
    return null;
  };
  expect(sources.map((file) => visit(file, [])).filter(Boolean)).toEqual([]);
});

/** Imports that are there when the program runs: those of types alone are not. */
function valueImportsOf(file: string): string[] {
  const found = textOf(file).matchAll(/^(?:import|export)\s+(?!type\b)[^;']*?from\s+'(\.[^']+)'/gm);
  return [...found]
    .map(([, name = '']) => path.posix.join(path.posix.dirname(file), name))
    .map((name) => (sources.includes(name) ? name : name.replace(/\.js$/, '.ts')))
    .filter((name) => sources.includes(name));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
