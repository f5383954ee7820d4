import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfig, type Config } from '../../src/config.js';
import { connectNats } from '../../src/nats/connection.js';
import type { Credentials } from '../../src/nats/credentials.js';
import { startNatsServer, type EmbeddedServer } from '../../src/nats/embedded-server.js';
import { commandOf, identityOf } from '../../src/process-identity.js';
import { INBOX_PREFIX } from '../../src/subjects.js';

let dir: string;
let config: Config;
const started: EmbeddedServer[] = [];

const start = async (changes: Partial<Config> = {}) => {
  const server = await startNatsServer({ ...config, ...changes });
  started.push(server);
  return server;
};

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
  config = readConfig({ TALLYMAN_NATS_SERVER: process.env['TALLYMAN_NATS_SERVER'] ?? '', TALLYMAN_DATA: path.join(dir, 'data') });
});

afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const modeOf = async (file: string) => (await stat(file)).mode & 0o777;

describe('the passwords', () => {
  test('are made once, and nobody else can read them', async () => {
    const first = await start();
    await first.stop();
    const again = await start();
    expect(again.logins.client.password).toBe(first.logins.client.password);
    expect(await modeOf(config.dataDir)).toBe(0o700);
    expect(await modeOf(path.join(config.dataDir, 'credentials.json'))).toBe(0o600);
  });

  test('differ from role to role and from folder to folder', async () => {
    const servers = [await start(), await start({ dataDir: path.join(dir, 'other') })];
    const passwords = servers.flatMap(({ logins }) => Object.values(logins).map((login) => login.password));
    expect(new Set(passwords).size).toBe(2 * Object.keys(INBOX_PREFIX).length);
  });

  test('of a role that a newer version adds are made beside those that are there', async () => {
    await (await start()).stop();
    const file = path.join(config.dataDir, 'credentials.json');
    const { notifier, ...older } = JSON.parse(await readFile(file, 'utf8')) as Credentials;
    await writeFile(file, JSON.stringify(older));
    await start();
    const { notifier: made, ...kept } = JSON.parse(await readFile(file, 'utf8')) as Credentials;
    expect(kept).toEqual(older);
    expect(made).toMatchObject({ user: notifier.user, password: expect.not.stringMatching(notifier.password) as string });
  });

  test('do not stand in the command line, which everybody can read', async () => {
    const { pid, logins } = await start();
    const command = (await commandOf(pid)).join(' ');
    expect(command).toContain('nats.conf');
    for (const { password = '?' } of Object.values(logins)) expect(command).not.toContain(password);
  });

  test('when damaged, are said to be, and how to go on', async () => {
    await (await start()).stop();
    await writeFile(path.join(config.dataDir, 'credentials.json'), '{"manager":');
    await expect(start()).rejects.toMatchObject({
      code: 'storage_failed',
      message: expect.stringMatching(/damaged\. Delete it/) as string,
    });
  });
});

describe('the server', () => {
  test('has all that it keeps in the data folder, whatever that is called', async () => {
    const dataDir = path.join(dir, 'a "quoted" $HOME näme # with blanks');
    await start({ dataDir });
    expect((await stat(path.join(dataDir, 'jetstream'))).isDirectory()).toBe(true);
    expect(await readFile(path.join(dataDir, 'nats.log'), 'utf8')).toContain('Server is ready');
  });

  test('is ended when a killed service left it, before the next one opens the same store', async () => {
    const left = await start();
    const next = await start();
    expect(await identityOf(left.pid)).toBeNull();
    expect(next.pid).not.toBe(left.pid);
  });

  test('does not take a stranger that now has its process id for itself', async () => {
    await (await start()).stop();
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      await writeFile(path.join(config.dataDir, 'nats.pid'), String(stranger.pid));
      await start();
      expect(await identityOf(Number(stranger.pid))).not.toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('tells when it crashed, and has what it acknowledged when it is started again on its port', async () => {
    const server = await start();
    const nc = await connectNats(server.logins.journal, 'journal');
    const jsm = await nc.jetstreamManager();
    await jsm.streams.add({ name: 'tallyman_JOURNAL', subjects: ['tallyman.journal'] });
    await nc.jetstream().publish('tallyman.journal', 'a record');
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });

    const again = await start({ natsPort: server.port });
    expect(again.url).toBe(server.url);
    const anew = await connectNats(again.logins.journal, 'journal');
    expect((await (await anew.jetstreamManager()).streams.info('tallyman_JOURNAL')).state.messages).toBe(1);
    await anew.close();
    await nc.close();
  });

  test('flushes every acknowledged record to the disk', async () => {
    expect(await readFile('nats.conf', 'utf8')).toMatch(/^\s*sync_interval: always\b/m);
  });

  test('is of a process group of its own, so that Ctrl-C in the terminal is not for it', async () => {
    const { pid } = await start();
    const group = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[2];
    expect(group).toBe(String(pid));
  });
});

describe('a start that fails', () => {
  test('says why, in the words of the server', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(start({ natsPort: port })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('address already in use') as string,
    });
    taken.close();
  });

  test.each([
    ['that is not there', null],
    ['that is something else', '#!/bin/sh\necho hello\n'],
    ['that is too old', '#!/bin/sh\necho nats-server: v2.9.25\n'],
  ])('names a program %s', async (_what, text) => {
    const natsServer = path.join(dir, 'nats-server');
    if (text !== null) {
      await writeFile(natsServer, text);
      await chmod(natsServer, 0o755);
    }
    await expect(start({ natsServer })).rejects.toMatchObject({
      code: 'unavailable',
      message: `TALLYMAN_NATS_SERVER is ${natsServer}, which is not a nats-server of version 2.10 or newer.`,
    });
  });
});
