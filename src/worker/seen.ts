import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import type { Job } from '../../actors/job.js';
import type { Seen } from '../../actors/seen.js';
import { isRemote } from '../../actors/paths.js';
import type { Amount } from '../engines/engine.js';
import { answers } from './disk-answers.js';
import { SYSTEM, diskOf, isSameDisk } from './disk.js';

/** What the two sides of a transfer are now, and what they are expected to be. */

export const SIDES = ['source', 'destination'] as const;
export type Side = (typeof SIDES)[number];

/** The disk of each side; null for a remote, and where nothing can be looked at: preflight says what is wrong there. */
export type Sides = Record<Side, string | null>;

export async function lookAtSides({ source, destination }: Pick<Job, Side>): Promise<Sides> {
  const [from, to] = await Promise.all([idOf(source), idOf(destination)]);
  return { source: from, destination: to };
}

async function idOf(place: string | null): Promise<string | null> {
  if (place === null || isRemote(place) || !(await answers(place))) return null;
  const disk = await diskOf(await nearest(place)).catch(() => null);
  return disk && disk.id;
}

/** What was seen on another machine says nothing of this one. */
export const seenHere = (seen: Seen | null): Seen | null => (seen?.host === hostname() ? seen : null);

/**
 * What is to be expected after a look: what was, and a mounted disk where nothing
 * was known. A yes to something else stays only while that is what is seen. Null when that is nothing new.
 */
export function expectedAfter(seen: Seen | null, now: Sides): Seen | null {
  const before = seenHere(seen) ?? { host: hostname(), source: null, destination: null };
  const after = { ...before };
  for (const side of SIDES) {
    const expected = (after[side] ??= now[side] === SYSTEM ? null : now[side]);
    if (!before.agreed?.[side] || (now[side] === before.agreed[side] && !(expected && isSameDisk(expected, now[side])))) continue;
    const { [side]: _over, ...agreed } = after.agreed ?? {};
    after.agreed = agreed;
  }
  return JSON.stringify(after) === JSON.stringify(before) ? null : after;
}

/** What the next run of the same two sides expects when this one completes; `source` as it was counted, where it was. */
export function seenAtEnd(seen: Seen | null, now: Sides, source?: Pick<Amount, 'files' | 'bytes'>): Seen {
  const { agreed: _answered, ...before } = seenHere(seen) ?? {};
  return { ...before, host: hostname(), ...now, ...(source && { sourceFiles: source.files, sourceBytes: source.bytes }) };
}

/** The real path of what is there of `given`, or of the nearest folder above. */
export async function nearest(given: string): Promise<string> {
  for (let at = given; ; at = path.dirname(at)) {
    const real = await realpath(at).catch(() => null);
    if (real !== null) return real;
  }
}
