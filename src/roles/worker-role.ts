import type { AttemptId } from '../../actors/worker.js';
import type { Config } from '../config.js';
import type { Engine } from '../engines/engine.js';
import type { Markers } from '../engines/leftovers.js';
import { createRcloneEngine } from '../engines/rclone.js';
import { createRsyncEngine } from '../engines/rsync.js';
import { connectNats, type NatsLogin } from '../nats/connection.js';
import { FileWriter } from '../nats/file-writer.js';
import { LogWriter } from '../nats/log-writer.js';
import { StreamPublisher } from '../nats/stream-publisher.js';
import { newMarkers } from '../worker/markers.js';
import { startWorker } from '../worker/worker.js';
import { Releases, logLine, never, type RunningRole } from './role.js';

/** Runs transfers with the engines that this machine has. */
export async function startWorkerRole(config: Config, login: NatsLogin): Promise<RunningRole> {
  const releases = new Releases();
  try {
    const nc = await connectNats(login, 'worker');
    releases.add(() => nc.close());
    const log = new LogWriter(nc, config.prefix);
    releases.add(() => log.flush());
    const publisher = new StreamPublisher(nc);
    const markers = await newMarkers(config.dataDir);
    const fileSink = ({ id, attempt }: AttemptId) => new FileWriter({ publisher, prefix: config.prefix, job: id, attempt });
    const engines = await enginesFor(config, markers);
    const worker = await startWorker({ config, nc, engines, markers, log, fileSink });
    releases.add(() => worker.stop());
    return { ended: never, stop: () => releases.run() };
  } catch (error) {
    await releases.run();
    throw error;
  }
}

/** rsync in any case, so that its jobs fail with what to do. Jobs for rclone are left to a worker that has it. */
async function enginesFor(config: Config, markers: Markers): Promise<Engine[]> {
  const rsync = createRsyncEngine({ markers, access: config });
  const rclone = createRcloneEngine({ markers, configFile: config.rcloneConfig, remotes: config.remotes });
  const found: Engine[] = [];
  for (const engine of [rsync, rclone]) {
    const probe = await engine.probe();
    logLine(probe.found ? `worker: ${engine.type} ${probe.version} (${probe.program})` : `worker: no ${engine.type}: ${probe.advice}`);
    if (probe.found || engine === rsync) found.push(engine);
  }
  return found;
}
