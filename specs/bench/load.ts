import type { AnyVerb } from '../../actors/requests.js';

/** Makes one request and waits for its answer. */
export type Send = (index: number) => Promise<unknown>;
export type MakeRequest = (index: number) => [verb: AnyVerb, body: string];

/** Makes `requests` requests, `inFlight` at a time; answers how many were answered in a second. */
export async function rateOf(requests: number, inFlight: number, send: Send): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  const one = async () => {
    while (next < requests) await send(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return requests / ((performance.now() - startedAt) / 1000);
}

/** The median time of one request after another, in ms. */
export async function medianMs(requests: number, send: Send): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < requests; index += 1) {
    const startedAt = performance.now();
    await send(index);
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[Math.floor(requests / 2)] ?? NaN;
}
