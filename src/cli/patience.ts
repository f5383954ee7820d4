import { setTimeout as sleep } from 'node:timers/promises';
import type { JobClient } from '../job-client.js';
import { isPassing, type Service } from './service.js';

const PAUSE_MS = 1_000;
/** A service that is restarted is waited for this long. */
const PATIENCE_MS = 5 * 60_000;

/**
 * Asks until the service answers: through a restart, after which it may be at
 * another address. For requests that are safe to repeat. `say` tells the
 * person; the last error is thrown when the service does not come back.
 */
export async function patiently<T>(service: Service, say: (text: string) => void, ask: (client: JobClient) => Promise<T>): Promise<T> {
  let awaySinceMs: number | null = null;
  for (;;) {
    try {
      const answer = await ask(await service.client());
      if (awaySinceMs !== null) say('The service is back.');
      return answer;
    } catch (error) {
      if (service.closed || !isPassing(error)) throw error;
      if (awaySinceMs === null) say('The service does not answer; waiting for it. The jobs are safe in its journal.');
      awaySinceMs ??= performance.now();
      if (performance.now() - awaySinceMs > PATIENCE_MS) throw error;
      await service.disconnect();
      await sleep(PAUSE_MS);
    }
  }
}
