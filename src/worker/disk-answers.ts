import { spawn } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import path from 'node:path';
import { isRemote } from '../../actors/paths.js';
import { readMounts, type Mount } from './mounts.js';
import { failed } from './preflight.js';

/** File systems behind which another machine or process may be silent for ever. */
const MAY_BE_SILENT = /^(?:nfs|cifs|smb|ncp|afs|ceph|glusterfs|lustre|gpfs|beegfs|9p|davfs|fuse)/;
/** Well below a lease: it is looked before the lease is renewed first. */
const ANSWER_MS = 5_000;
/** A mount that was silent is taken for silent for so long: the jobs that wait for it do not hold a slot each. */
const SILENCE_MS = 5_000;

/** As many as the system follows. */
const LINKS_MAX = 40;

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
  const mount = isRemote(place) ? null : await mountOnTheWay(place, await readMounts(asked.mounts));
  if (mount === null) return true;
  const known = sent.get(mount) ?? send(mount, place, asked);
  sent.set(mount, known);
  return known;
}

/** The first mount that may be silent on the way to a place. Links are followed, so none is touched but on a disk that answers. */
async function mountOnTheWay(place: string, mounts: readonly Mount[]): Promise<string | null> {
  const points = new Set(mounts.filter(({ type }) => MAY_BE_SILENT.test(type)).map(({ point }) => point));
  const rest = points.size === 0 ? [] : partsOf(place);
  let [at, links] = ['/', 0];
  for (let part = rest.shift(); part !== undefined && links < LINKS_MAX; part = rest.shift()) {
    const next = path.join(at, part);
    if (points.has(next)) return next;
    const target = await readlink(next).catch(() => null);
    if (target === null) at = next;
    else {
      links++;
      rest.unshift(...partsOf(target));
      if (target.startsWith('/')) at = '/';
    }
  }
  return null;
}

const partsOf = (text: string): string[] => text.split('/').filter((part) => part !== '' && part !== '.');

function send(mount: string, place: string, { limitMs = ANSWER_MS, silenceMs = SILENCE_MS, program = 'ls' }: Asked): Promise<boolean> {
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
      if (isSilent) setTimeout(() => sent.delete(mount), silenceMs).unref();
      else sent.delete(mount);
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
