import type { NatsConnection } from 'nats';

export type MakeRequest = (index: number) => [verb: string, body: string];

/** Sends `requests` requests, `inFlight` at a time; answers how many were answered in a second. */
export async function rateOf(nc: NatsConnection, requests: number, inFlight: number, make: MakeRequest): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  const one = async () => {
    while (next < requests) {
      const [verb, body] = make(next++);
      const msg = await nc.request(`tallyman.jobs.${verb}`, body, { timeout: 30_000 });
      if (msg.headers?.has('Nats-Service-Error-Code')) throw new Error(msg.string());
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return requests / ((performance.now() - startedAt) / 1000);
}

/** The median time of one request after another, in ms. */
export async function medianMs(nc: NatsConnection, requests: number, make: MakeRequest): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < requests; index += 1) {
    const startedAt = performance.now();
    const [verb, body] = make(index);
    await nc.request(`tallyman.jobs.${verb}`, body, { timeout: 30_000 });
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[Math.floor(requests / 2)] ?? NaN;
}
