import { JobError } from './errors.js';
import { NOT_IN_NAMES } from './job.js';

/** A place on another machine that rsync itself reaches. */
export interface HostPlace {
  via: 'ssh' | 'daemon';
  /** As TALLYMAN_HOSTS names it: `user@host`, or `rsync://user@host:port/module`. */
  host: string;
  /** From "/" on: of the machine, or of the module. */
  path: string;
}

// None of the parts can begin with "-" and so be taken for an option, by rsync or by ssh.
const WORD = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}';
const USER = `(?:${WORD}@)?`;
const MACHINE = '(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\\[[0-9A-Fa-f:]{2,39}\\])';
const SSH_HOST = `${USER}${MACHINE}`;
const NAME = new RegExp(`^${MACHINE}$`);
const MODULE = `rsync://${USER}${MACHINE}(?::[1-9][0-9]{0,4})?/${WORD}`;

/** The setting: hosts as jobs name them, "," between them. */
export const HOST_LIST = new RegExp(`^(?:${MODULE}|${SSH_HOST})(?:,(?:${MODULE}|${SSH_HOST}))*$`);

const DAEMON_PLACE = new RegExp(`^(${MODULE})(/[^]*)$`);
/** `//` behind the colon would be the beginning of an address of another kind. */
const SSH_PLACE = new RegExp(`^(${SSH_HOST}):(/(?!/)[^]*)$`);

/** `user@host:/path` or `rsync://host/module/path`; null of anything else. */
export function hostOf(place: string): HostPlace | null {
  for (const [via, pattern] of [
    ['daemon', DAEMON_PLACE],
    ['ssh', SSH_PLACE],
  ] as const) {
    const [, host, path] = pattern.exec(place) ?? [];
    if (host !== undefined && path !== undefined) return { via, host, path };
  }
  return null;
}

/** By name: the one name under which a machine is looked up that has several. */
export type SameHosts = ReadonlyMap<string, string>;

/** Reads `nas=nas.local=10.0.0.7,box=box.lan`: the names of each machine. Null when that is not what it says. */
export function parseSameHosts(text: string): SameHosts | null {
  const same = new Map<string, string>();
  for (const group of text === '' ? [] : text.toLowerCase().split(',')) {
    const names = group.split('=');
    const [first] = names;
    if (first === undefined || names.length < 2) return null;
    for (const name of names) {
      if (!NAME.test(name) || same.has(name)) return null;
      same.set(name, first);
    }
  }
  return same;
}

/** Where a place is, whoever goes there: the same words for every way to write it. */
export function machineOf({ via, host }: HostPlace, same: SameHosts): string {
  const known = (name: string): string => same.get(name.toLowerCase()) ?? name.toLowerCase();
  const anyone = host.replace(/^(rsync:\/\/)?[^@/]*@/, '$1');
  if (via === 'ssh') return known(anyone);
  const [, machine = '', port = '873', module = ''] = /^rsync:\/\/(\[.*\]|[^:/]*)(?::(\d+))?\/(.*)$/.exec(anyone) ?? [];
  return `rsync://${known(machine)}:${port}/${module}`;
}

/** Refuses what is not a place on an allowed host. */
export function checkHost(field: string, place: string, hosts: readonly string[]): void {
  const shown = `${field}: ${JSON.stringify(place)}`;
  const refused = (why: string) => new JobError('remote_not_allowed', `${shown} ${why}`, { field, hosts });
  const at = hostOf(place);
  if (!at) {
    throw refused(
      'is no place that jobs of type rsync take: give /a/path of this machine, user@host:/a/path over ssh, or rsync://host/module/a/path of a daemon. Remotes of rclone need type "rclone".',
    );
  }
  if (!hosts.includes(at.host))
    throw refused(`is on ${at.host}, and jobs may use ${hosts.join(', ') || 'no other machine'}. Allow it with TALLYMAN_HOSTS.`);
  if (at.path.search(NOT_IN_NAMES) >= 0)
    throw new JobError('path_not_allowed', `${shown} holds control characters. Give the path of a folder above it.`, { field });
  if (/[*?[\\]/.test(at.path)) {
    throw new JobError(
      'path_not_allowed',
      `${shown}: rsync on the other machine takes *, ?, [ and \\ in a path for patterns. Give the path of a folder above, and options.includes and options.excludes.`,
      { field },
    );
  }
}
