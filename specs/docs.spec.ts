import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { ERROR_CATALOGUE } from '../actors/errors.js';
import { jobLifecycle } from '../actors/job-lifecycle.js';
import { ALL_REQUESTS } from '../actors/requests.js';
import { COMMANDS } from '../src/cli/commands.js';
import { markdownTables } from '../src/cli/help-text.js';
import { SETTINGS } from '../src/config.js';
import type { JobClient } from '../src/job-client.js';
import { connectNats } from '../src/nats/connection.js';
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
      const shown = name === 'ROOTS' ? 'your home, `/mnt`, `/media` (`/Volumes`)' : fallback === undefined ? '' : `\`${String(fallback)}\``;
      return [`\`TALLYMAN_${name}\``, shown, schema.description ?? ''];
    });
    await expectBlock('docs/settings.md', 'settings', table(['setting', 'default', ''], rows));
  });

  test('on every error', () => {
    const rows = [...pageOf('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d+) \| (\w+) \| .+ \|$/gm)].map((row) => row.slice(1));
    expect(rows).toEqual(Object.entries(ERROR_CATALOGUE).map(([code, { status, executed }]) => [code, String(status), executed]));
  });

  test('on why transfers fail: each code is one that the code gives', () => {
    const [, reasons = ''] = pageOf('docs/errors.md').split('## Why a job failed');
    const codes = [...reasons.matchAll(/^\| `.*?\|/gm)].flatMap(([cell]) => [...cell.matchAll(/`(\w+)`/g)].map(([, code = '']) => code));
    const folders = ['src/engines', 'src/worker', 'actors/verbs'];
    const sources = folders.flatMap((folder) => readdirSync(path.join(root, folder)).map((file) => pageOf(`${folder}/${file}`))).join('\n');
    expect(codes).not.toEqual([]);
    expect(codes.filter((code) => !new RegExp(`'${code}'|^ {2}${code}: \\[`, 'm').test(sources))).toEqual([]);
  });

  test('on every verb and its fields', async () => {
    const rows = Object.entries(ALL_REQUESTS).map(([verb, schema]) => [`\`${verb}\``, fieldsOf(schema)]);
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
  beforeEach(async () => {
    // A short lease, so that the worker's beat is soon.
    service = await startTestService({ settings: { TALLYMAN_LEASE_MS: '1500' } });
  });
  afterEach(() => service.stop());

  test('the first request by curl', async () => {
    const adapted = example('README.md', 'sh', 'TOKEN=')
      .replace(/TOKEN=.*\n/, '')
      .replace('http://127.0.0.1:8040', service.url);
    const env = { ...process.env, TOKEN: service.token };
    const { stdout } = await run('bash', ['-c', `${adapted.trim()} --silent --fail-with-body`], { env });
    expect(JSON.parse(stdout)).toMatchObject({ type: 'render', status: 'queued', input: { frame: 1 } });
  });

  test('the first request by the typed client, as the built package exports it', async () => {
    const file = path.join(service.nats.dir, 'connection.json');
    const { url, user, password } = service.nats.logins.client;
    await writeFile(file, JSON.stringify({ nats: { url, user, password } }));
    const adapted = example('README.md', 'ts', 'import')
      .replace("'data/connection.json'", JSON.stringify(file))
      .replace(/console\.log\(.*\);/, (print) => `{ ${print} break; }`);
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', `${adapted}\nawait jobs.close();`], { cwd: root });
    expect(stdout).toBe('queued\n');
    expect(await service.client.list()).toMatchObject({ total: 1, jobs: [{ type: 'render', input: { frame: 1 } }] });
  });

  test.each(['README.md', 'docs/protocol.md', 'docs/own-worker.md'])(
    'every "nats req" of %s, with the login of connection.json',
    async (page) => {
      const made = await service.client.create({ type: 'render' });
      const nc = await connectNats(service.nats.logins.client, 'client');
      const requests = [...pageOf(page).matchAll(/^nats req (\S+) '(.+)'/gm)];
      expect(requests).not.toEqual([]);
      for (const [, subject = '', body = ''] of requests) {
        const answer = await nc.request(subject, body.replace('01J…', made.id), { timeout: 10_000 });
        expect(answer.headers?.get('Nats-Service-Error'), `${subject} ${body}`).toBeFalsy();
      }
      await nc.close();
    },
  );

  test('the worker of one’s own completes a job', async () => {
    const job = await service.client.create({ type: 'render', input: { frame: 1 } });
    await workOnce(service.client, (input) => Promise.resolve(input));
    expect(await service.client.get(job.id)).toMatchObject({ status: 'completed', result: { frame: 1 } });
  });

  test('the worker of one’s own says why it failed', async () => {
    const job = await service.client.create({ type: 'render', options: { maxRetries: 0 } });
    await workOnce(service.client, () => Promise.reject(new Error('no light')));
    expect(await service.client.get(job.id)).toMatchObject({
      status: 'failed',
      error: { code: 'render_failed', message: 'Error: no light' },
    });
  });

  test('the worker of one’s own stops when pause is wanted', async () => {
    const job = await service.client.create({ type: 'render' });
    await workOnce(service.client, async (_input, signal) => {
      await service.client.command('pause', job.id);
      await once(signal, 'abort');
      throw new Error('stopped');
    });
    expect(await service.client.get(job.id)).toMatchObject({ status: 'paused', attempt: 1 });
  });
});

const run = promisify(execFile);

/** The first block of that language which begins so. */
function example(page: string, language: string, start: string): string {
  const blocks = [...pageOf(page).matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, block = '']) => block);
  const found = blocks.find((block) => block.startsWith(start));
  if (found === undefined) throw new Error(`${page} has no ${language} block that begins with ${start}.`);
  return found;
}

/** One turn of the loop in docs/own-worker.md. */
async function workOnce(jobs: JobClient, render: (input: unknown, signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const [loop = ''] = /^for \(;;\)[^]*/m.exec(example('docs/own-worker.md', 'ts', 'import')) ?? [];
  expect(loop).not.toBe('');
  const turn = loop.replace('for (;;)', 'for (const turn of [1])');
  const AsyncFunction = workOnce.constructor as new (...args: string[]) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction('jobs', 'render', turn)(jobs, render);
}

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
