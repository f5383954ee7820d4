import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NatsConnection } from 'nats';
import { vi } from 'vitest';
import { connectNats } from '../../src/nats/connection.js';
import { findTool } from '../../src/tools.js';

/** A nats-server of somebody else's, on which everybody may do everything: what an operator or a disk can do to the journal. */
export class OpenServer {
  readonly #dir: string;
  #process: ChildProcess | undefined;
  #port = -1;
  readonly #connections: NatsConnection[] = [];

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async start(): Promise<OpenServer> {
    const server = new OpenServer(await mkdtemp(path.join(tmpdir(), 'tallyman-')));
    await server.up();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  async connect(url = this.url): Promise<NatsConnection> {
    const nc = await connectNats({ url }, 'client');
    this.#connections.push(nc);
    return nc;
  }

  /** Starts it, again on the same port. */
  async up(): Promise<void> {
    const tool = findTool('nats-server', process.env['TALLYMAN_NATS_SERVER'] ?? null);
    if (!tool) throw new Error('no nats-server: set TALLYMAN_NATS_SERVER');
    const args = ['-js', '-sd', this.#store, '-a', '127.0.0.1', '-p', String(this.#port), '--ports_file_dir', this.#dir];
    const child = spawn(tool.path, args, { stdio: 'ignore', env: { ...process.env, ...tool.env } });
    this.#process = child;
    const ports = await vi.waitFor(
      async () => JSON.parse(await readFile(path.join(this.#dir, `nats-server_${child.pid}.ports`), 'utf8')) as { nats: [string] },
      { timeout: 10_000, interval: 20 },
    );
    this.#port = Number(new URL(ports.nats[0]).port);
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    if (!this.#process || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  /** A backup of everything that it keeps; only while it is down. */
  async backup(): Promise<void> {
    await cp(this.#store, this.#backup, { recursive: true });
  }

  async restore(): Promise<void> {
    await rm(this.#store, { recursive: true });
    await cp(this.#backup, this.#store, { recursive: true });
  }

  async stop(): Promise<void> {
    for (const nc of this.#connections) await nc.close();
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }

  get #store(): string {
    return path.join(this.#dir, 'store');
  }

  get #backup(): string {
    return path.join(this.#dir, 'backup');
  }
}
