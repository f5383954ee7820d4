import { spawn } from 'node:child_process';
import { isRemote, isWithin } from '../../actors/paths.js';
import { readMounts } from './mounts.js';
import { failed } from './preflight.js';

/** File systems behind which another machine or process may be silent for ever. */
const MAY_BE_SILENT = /^(?:nfs|cifs|smb|ncp|afs|ceph|glusterfs|lustre|gpfs|beegfs|9p|davfs|fuse)/;
/** Well below a lease: it is looked before the lease is renewed first. */
const ANSWER_MS = 5_000;
/** A mount that was silent is taken for silent for so long: the jobs that wait for it do not hold a slot each. */
const SILENCE_MS = 5_000;

export interface Asked {
  /** Where the system tells what is mounted. */
  mounts?: string;
  limitMs?: number;
  silenceMs?: number;
  /** What looks at the place that stands behind its arguments. */
  program?: string;
}

/** By mount, as long as somebody is there to look, and for a while after it was silent: nobody else is sent meanwhile. */
const sent = new Map<string, Promise<boolean>>();

/**
 * Whether the disk of a place answers at all. It is asked by a process of its
 * own: a look from here at a network mount whose machine is gone would hold a
 * thread for good, and with four of them no file would be read any more.
 */
export async function answers(place: string, asked: Asked = {}): Promise<boolean> {
  if (isRemote(place)) return true;
  const mounts = await readMounts(asked.mounts);
  if (!mounts.some(({ type }) => MAY_BE_SILENT.test(type))) return true;
  const points = mounts.map(({ point }) => point).filter((point) => isWithin(place, point));
  const mount = points.reduce((longest, point) => (point.length > longest.length ? point : longest), '/');
  // From "/" a link may lead to any of them.
  const where = mount === '/' ? place : mount;
  const known = sent.get(where) ?? send(where, place, asked);
  sent.set(where, known);
  return known;
}

function send(where: string, place: string, { limitMs = ANSWER_MS, silenceMs = SILENCE_MS, program = 'ls' }: Asked): Promise<boolean> {
  const child = spawn(program, ['-dL', '--', place], { stdio: 'ignore' });
  return new Promise((resolve) => {
    let isSilent = false;
    const timer = setTimeout(() => {
      isSilent = true;
      child.kill('SIGKILL');
      child.unref();
      resolve(false);
    }, limitMs);
    // What it finds, others look at. One that cannot be started says nothing against the disk.
    const end = () => {
      clearTimeout(timer);
      if (isSilent) setTimeout(() => sent.delete(where), silenceMs).unref();
      else sent.delete(where);
      resolve(true);
    };
    child.once('close', end).once('error', end);
  });
}

/** Rejects when one of them is silent. */
export async function requireAnswers(places: readonly string[], asked: Asked = {}): Promise<void> {
  const answered = await Promise.all(places.map((place) => answers(place, asked)));
  const place = places[answered.indexOf(false)];
  if (place === undefined) return;
  throw failed(
    'network',
    `${place} cannot be looked at: its network mount does not answer.`,
    'Check the mount, the network and the machine behind it. The job is tried again by itself.',
    true,
  );
}
