import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { ERROR_CATALOGUE } from '../actors/errors.js';
import { jobLifecycle } from '../actors/job-lifecycle.js';
import { READER_REQUESTS, REQUESTS } from '../actors/requests.js';
import { COMMANDS } from '../src/cli/commands.js';
import { markdownTables } from '../src/cli/help-text.js';
import { SETTINGS } from '../src/config.js';
import { startTestService, type TestService } from './support/service.js';

/** The docs agree with the code. `npx vitest run specs/docs.spec.ts -u` writes the tables anew. */
const root = path.dirname(import.meta.dirname);
const pageOf = (file: string) => readFileSync(path.join(root, file), 'utf8');

async function expectBlock(file: string, name: string, text: string): Promise<void> {
  const block = new RegExp(`<!-- ${name} -->[^]*<!-- /${name} -->`);
  const page = pageOf(file);
  expect(page).toMatch(block);
  await expect(page.replace(block, () => `<!-- ${name} -->\n\n${text}\n\n<!-- /${name} -->`)).toMatchFileSnapshot(path.join(root, file));
}

const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');

describe('the docs agree with the code', () => {
  test('on every setting and its default', async () => {
    const rows = Object.entries(SETTINGS).map(([name, schema]) => {
      const fallback = schema.safeParse(undefined).data;
      const shown = name === 'ROOTS' ? 'your home, `/mnt`, `/media` (`/Volumes`)' : fallback === undefined ? '' : `\`${fallback}\``;
      return [`\`TALLYMAN_${name}\``, shown, schema.description ?? ''];
    });
    await expectBlock('docs/settings.md', 'settings', table(['setting', 'default', ''], rows));
  });

  test('on every error', async () => {
    const rows = Object.entries(ERROR_CATALOGUE).map(([code, { status, executed }]) => [`\`${code}\``, String(status), executed]);
    await expectBlock('docs/errors.md', 'errors', table(['code', 'status', 'executed'], rows));
  });

  test('on every verb and its fields', async () => {
    const rows = Object.entries({ ...REQUESTS, ...READER_REQUESTS }).map(([verb, schema]) => [`\`${verb}\``, fieldsOf(schema)]);
    await expectBlock('docs/protocol.md', 'verbs', table(['verb', 'body (`?` may be left out)'], rows));
  });

  test('on every command and exit code', async () => {
    await expectBlock('docs/cli.md', 'cli', markdownTables(COMMANDS));
  });

  test('on the lifecycle, whose picture is made from the machine', async () => {
    await expectBlock('docs/lifecycle.md', 'lifecycle', ['```mermaid', 'stateDiagram-v2', ...transitions(), '```'].join('\n'));
  });

  test('on what is there to be linked', () => {
    const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(path.join(root, 'docs')).map((file) => `docs/${file}`)];
    const broken = pages
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) =>
        [...pageOf(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)]
          .map(([, target = '']) => target)
          .filter((target) => !/^https?:/.test(target) && !existsSync(path.join(root, path.dirname(page), target)))
          .map((target) => `${page} links ${target}`),
      );
    expect(broken).toEqual([]);
  });
});

describe('the examples work as they are written', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.stop());

  test('the first request by curl', async () => {
    const [, script = ''] = /```sh\n(TOKEN=[^]*?)```/.exec(pageOf('README.md')) ?? [];
    const adapted = script.replace(/TOKEN=.*\n/, '').replace('http://127.0.0.1:8040', service.url);
    const env = { ...process.env, TOKEN: service.token };
    const { stdout } = await promisify(execFile)('bash', ['-c', `${adapted.trim()} --silent --fail-with-body`], { env });
    expect(JSON.parse(stdout)).toMatchObject({ type: 'render', status: 'queued', input: { frame: 1 } });
  });

  test('the worker of one’s own', async () => {
    const job = await service.client.create({ type: 'render', input: { frame: 1 } });
    const [, source = ''] = /```ts\n([^]*?)```/.exec(pageOf('docs/own-worker.md')) ?? [];
    const [, loop = ''] = /(for \(;;\)[^]*)$/.exec(source) ?? [];
    const once = loop.replace('for (;;)', 'for (const _ of [0, 1])').replace('continue', 'return');
    const AsyncFunction = (async () => Promise.resolve()).constructor as new (...args: string[]) => (...values: unknown[]) => Promise<void>;
    await new AsyncFunction('jobs', 'render', once)(service.client, (input: unknown) => Promise.resolve(input));
    expect(await service.client.get(job.id)).toMatchObject({ status: 'completed', result: { frame: 1 } });
  });
});

/** The fields of a request; of a union, each shape. */
function fieldsOf(schema: z.ZodType): string {
  const { options, shape } = (schema as unknown as { def: { options?: z.ZodType[]; shape?: Record<string, z.ZodType> } }).def;
  if (options) return options.map(fieldsOf).join(' or ');
  const fields = Object.entries(shape ?? {}).map(([name, field]) => (field.safeParse(undefined).success ? `${name}?` : name));
  return fields.length === 0 ? '' : `\`{ ${fields.join(', ')} }\``;
}

interface Transition {
  target?: readonly { key: string }[];
  guard?: unknown;
  description?: string;
}

function transitions(): string[] {
  const lines: string[] = ['  [*] --> pending: create, start false', '  [*] --> queued: create'];
  for (const [name, state] of Object.entries(jobLifecycle.states)) {
    for (const [event, list] of Object.entries(state.on as Record<string, readonly Transition[]>)) {
      if (event === 'update') continue;
      for (const { target, guard, description } of list) {
        const condition = typeof guard === 'string' ? guard.replace(/([A-Z])/g, ' $1').toLowerCase() : description;
        for (const { key } of target ?? []) lines.push(`  ${name} --> ${key}: ${event}${condition ? ` (${condition})` : ''}`);
      }
    }
  }
  return [...lines, '  deleted --> [*]'];
}
