import type { NatsConnection } from 'nats';
import { expect, onTestFinished } from 'vitest';
import type { Job, JobStatus } from '../../actors/job.js';
import type { Engine } from '../../src/engines/engine.js';
import { endLeftovers, type Markers } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { JobClient, type RequestBody } from '../../src/job-client.js';
import type { FileEntry, FileSink } from '../../src/file-record.js';
import type { LogLine } from '../../src/log-line.js';
import { connectNats } from '../../src/nats/connection.js';
import { startManagerRole } from '../../src/roles/manager-role.js';
import type { RunningRole } from '../../src/roles/role.js';
import type { LogSink } from '../../src/worker/attempt-tools.js';
import { newMarkers } from '../../src/worker/markers.js';
import { startWorker, type Worker } from '../../src/worker/worker.js';
import { newFolder } from '../engines/trees.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';

/** A log that is only remembered. */
export class Lines implements LogSink {
  readonly all: Omit<LogLine, 'seq'>[] = [];
  write(line: Omit<LogLine, 'seq'>): void {
    this.all.push(line);
  }
  /** Set to see what happens when the log store takes nothing. */
  storeError: Error | null = null;
  store(lines: Omit<LogLine, 'seq'>[]): Promise<void> {
    if (this.storeError) return Promise.reject(this.storeError);
    this.all.push(...lines);
    return Promise.resolve();
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  get text(): string {
    return this.all.map(({ text }) => text).join('\n');
  }
}

/** Files that are only remembered. */
export class Files implements FileSink {
  readonly all: FileEntry[] = [];
  write(entry: FileEntry): void {
    this.all.push(entry);
  }
  room(): Promise<void> {
    return Promise.resolve();
  }
  flush(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

/** A real NATS server with a real job manager, a folder for jobs, and workers as a spec needs them. */
export class WorkerBench {
  readonly lines = new Lines();
  readonly files = new Files();
  readonly folder: string;
  readonly nats: TestNats;
  readonly client: JobClient;
  readonly markers: Markers;
  readonly #connections: NatsConnection[] = [];
  #manager: RunningRole | null = null;

  private constructor(nats: TestNats, folder: string, client: JobClient, markers: Markers) {
    [this.nats, this.folder, this.client, this.markers] = [nats, folder, client, markers];
  }

  static async start(settings: Record<string, string> = {}): Promise<WorkerBench> {
    const folder = await newFolder();
    const nats = await startTestNats({ TALLYMAN_ROOTS: folder, ...settings });
    const client = await JobClient.connect(nats.logins.client, { askTimeoutMs: nats.config.askTimeoutMs });
    const bench = new WorkerBench(nats, folder, client, await newMarkers(nats.dir));
    onTestFinished(() => bench.#end());
    await bench.startManager();
    return bench;
  }

  async startManager(): Promise<void> {
    this.#manager = await startManagerRole(this.nats.config, this.nats.logins);
  }

  async stopManager(): Promise<void> {
    await this.#manager?.stop();
    this.#manager = null;
  }

  async startWorker(engine: Engine = createRsyncEngine({ markers: this.markers }), slots = 2): Promise<Worker> {
    const nc = await connectNats(this.nats.logins.worker, 'worker');
    this.#connections.push(nc);
    const worker = await startWorker({
      config: this.nats.config,
      nc,
      engines: [engine],
      markers: this.markers,
      log: this.lines,
      fileSink: () => this.files,
      slots,
    });
    onTestFinished(() => worker.stop());
    return worker;
  }

  /** A copy of `<folder>/source/` to `<folder>/copy/`. */
  create(body: Partial<RequestBody<'create'>> = {}): Promise<Job> {
    return this.client.create({
      type: 'rsync',
      source: this.at('source/'),
      destination: this.at('copy/'),
      ...body,
    } as RequestBody<'create'>);
  }

  at(name: string): string {
    return `${this.folder}/${name}`;
  }

  async reaches(id: string, status: JobStatus, timeoutMs = 20_000): Promise<Job> {
    await expect.poll(async () => (await this.client.get(id)).status, { timeout: timeoutMs }).toBe(status);
    return this.client.get(id);
  }

  async #end(): Promise<void> {
    await this.stopManager().catch(() => undefined);
    await this.client.close();
    for (const nc of this.#connections) await nc.close();
    await endLeftovers({ owner: this.markers.owner }, { graceMs: 0 });
    await this.nats.stop();
  }
}
