import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { parseBandwidth, type Bandwidth } from '../actors/bandwidth.js';
import { JobError } from '../actors/errors.js';
import { HOST_LIST, parseSameHosts, type SameHosts } from '../actors/host-place.js';
import { NOTICE_EVENTS, webhookSchema, type NoticeEvent } from '../actors/notify.js';
import { parseLabelLimits, type RunLimits } from '../actors/run-limits.js';
import { DEFAULT_PREFIX } from './subjects.js';

const defaultRoots = [homedir(), '/mnt', '/media', ...(process.platform === 'darwin' ? ['/Volumes'] : [])].join(':');
const milliseconds = (fallback: number, min = 1) => z.coerce.number().int().min(min).max(86_400_000).default(fallback);
const text = z.string().min(1).optional();

const events = z
  .string()
  .default(NOTICE_EVENTS.join(','))
  .transform((list) => list.split(',').map((word) => word.trim()))
  .pipe(z.array(z.enum(NOTICE_EVENTS, `each of ${NOTICE_EVENTS.join(', ')}, "," between them`)));

const commandLine = z
  .string()
  .transform(parsedOrNull)
  .pipe(
    z
      .array(z.string().regex(/^[^\0]*$/, 'no NUL in it'), 'a JSON array of texts, the program first: ["/usr/local/bin/tell-me", "--loud"]')
      .min(1),
  );

/** Every setting: `TALLYMAN_<NAME>` in the environment, `--<name>` on `serve`. `describe` is what the docs and `--help` print. */
export const SETTINGS = {
  DATA: z.string().min(1).default('data').describe('folder of everything that it keeps'),
  HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8040).describe('port of the gateway; 0 takes a free one'),
  HTTP_HOST: z.string().min(1).default('127.0.0.1').describe('address of the gateway; one that is not loopback needs TLS files'),
  TLS_CERT: text.describe('certificate file (PEM) of the gateway'),
  TLS_KEY: text.describe('key file (PEM) of the gateway'),
  NATS_URL: text.describe('use the NATS server that runs there; none: start one'),
  NATS_USER: text.describe('user at that server; none: the one that this role has in <data>/credentials.json'),
  NATS_PASSWORD: text.describe('password of that user'),
  NATS_PORT: z.coerce.number().int().min(0).max(65_535).default(0).describe('port of the nats-server that it starts; 0 takes a free one'),
  NATS_SERVER: text.describe('the nats-server program, 2.10 or newer; none: from PATH or fetched'),
  TOKEN: z.string().min(16, 'at least 16 characters').optional().describe('the bearer token; none: random, made once'),
  ROOTS: z.string().min(1).default(defaultRoots).describe('folders that jobs may read and write, ":" between them'),
  REMOTES: z
    .string()
    .regex(
      /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(,[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})*$/,
      'names of letters, digits, "_", ".", "-", with "," between them',
    )
    .optional()
    .describe('remotes of rclone that jobs may read and write, "," between them'),
  RCLONE_CONFIG: text.describe('configuration file of rclone; none: its own, ~/.config/rclone/rclone.conf'),
  HOSTS: z
    .string()
    .regex(HOST_LIST, 'hosts as jobs name them, "," between them: ada@nas.local (ssh), rsync://nas.local/photos (a module of a daemon)')
    .optional()
    .describe(
      'other machines that rsync may read and write, "," between them: `ada@nas.local` by ssh, `rsync://nas.local/photos` for a module of a daemon',
    ),
  SAME_HOSTS: text.describe(
    'names of one machine, so that only one job writes to a place there, whatever name it says: `nas=nas.local=10.0.0.7,box=box.lan`',
  ),
  SSH_CONFIG: text.describe('configuration file of ssh (key, port, known hosts); none: its own, ~/.ssh/config'),
  RSYNC_PASSWORDS: text.describe(
    'file with passwords of rsync daemons, for nobody else to read: a line is an allowed host, a blank, its password',
  ),
  PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, 'letters, digits, "_" and "-", at most 32')
    .default(DEFAULT_PREFIX)
    .describe('first word of every subject, stream and metric'),
  ASK_TIMEOUT_MS: milliseconds(5000, 10).describe('how long a request may wait and take'),
  LEASE_MS: milliseconds(15_000, 500).describe('how long a worker may be silent before its job goes to another'),
  WORKER_SLOTS: z.coerce.number().int().min(0).max(64).default(2).describe('transfers at once in one worker; 0 runs none here'),
  MAX_RUNNING: z.coerce.number().int().min(0).default(0).describe('jobs that run at once, of all workers together; 0: no limit'),
  DISK_LIMIT: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('jobs that write at once to one disk, one other machine or one remote; 0: no limit'),
  LABEL_LIMITS: text.describe(
    'how many jobs with one label run at once, as `disk=2,host:nas=1`: two for each value of `disk`, one with `host=nas`',
  ),
  BANDWIDTH_LIMIT: z
    .string()
    .default('off')
    .describe(
      'bytes a second of all transfers together: `20M`, `off`, or by time of day, as `mon-fri 08:00 5M, 18:00 off Europe/Berlin`; `tallyman bandwidth` changes it while the service runs',
    ),
  CLEANUP_AFTER_SECONDS: z.coerce
    .number()
    .min(0)
    .default(30 * 86_400)
    .describe('finished jobs are forgotten after this; 0 keeps them'),
  CLEANUP_EVERY_MS: milliseconds(60_000, 10).describe('how often the cleanup timer asks'),
  WEBHOOK: webhookSchema.optional().describe('URL that is told of every job that finishes'),
  WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, '"whsec_" and 24 to 64 bytes in base64')
    .optional()
    .describe('what webhooks are signed with; none: random, made once'),
  WEBHOOK_PRIVATE: z.enum(['deny', 'allow']).default('deny').describe('"allow": webhooks may go to this machine and to private networks'),
  NOTIFY_COMMAND: commandLine.optional().describe('program that is run for every job that finishes, with its arguments as a JSON array'),
  NOTIFY_ON: events.describe('what the webhook and the program of the settings are told of'),
} as const;

/** Settings whose values are shown nowhere. A webhook's URL often holds a key. */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set(['TOKEN', 'NATS_PASSWORD', 'WEBHOOK', 'WEBHOOK_SECRET']);

type SettingName = keyof typeof SETTINGS;
type Settings = { [N in SettingName]: z.infer<(typeof SETTINGS)[N]> };

/** The settings as the program uses them: checked, related to one another, frozen. */
export type Config = Readonly<{
  dataDir: string;
  httpPort: number;
  httpHost: string;
  tls: { certFile: string; keyFile: string } | null;
  natsUrl: string | null;
  natsUser: string | null;
  natsPassword: string | null;
  natsPort: number;
  natsServer: string | null;
  token: string | null;
  roots: readonly string[];
  remotes: readonly string[];
  rcloneConfig: string;
  hosts: readonly string[];
  sameHosts: SameHosts;
  sshConfig: string | null;
  rsyncPasswords: string | null;
  prefix: string;
  askTimeoutMs: number;
  leaseMs: number;
  limits: RunLimits;
  bandwidth: Bandwidth;
  workerSlots: number;
  cleanupAfterSeconds: number;
  cleanupEveryMs: number;
  notify: {
    webhook: string | null;
    webhookSecret: string | null;
    webhookPrivate: boolean;
    command: readonly string[] | null;
    on: readonly NoticeEvent[];
  };
}>;

/** Reads the settings from `flags` (by setting name, as `HTTP_PORT`) over `env`. Throws `invalid_request` naming the setting. */
export function readConfig(env: NodeJS.ProcessEnv = process.env, flags: Partial<Record<string, string>> = {}): Config {
  const settings = {} as Record<SettingName, unknown>;
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const raw = flags[name] ?? env[`TALLYMAN_${name}`];
    const result = SETTINGS[name].safeParse(raw === '' ? undefined : raw);
    if (!result.success) {
      const what = result.error.issues.map((issue) => issue.message).join('; ');
      const value = SECRET_SETTINGS.has(name) ? 'not right' : JSON.stringify(raw);
      throw new JobError('invalid_request', `The setting TALLYMAN_${name} is ${value}: ${what}.`, {
        setting: `TALLYMAN_${name}`,
      });
    }
    settings[name] = result.data;
  }
  return Object.freeze(relate(settings as Settings));
}

function relate(s: Settings): Config {
  const bad = (message: string) => new JobError('invalid_request', message);
  if ((s.TLS_CERT === undefined) !== (s.TLS_KEY === undefined))
    throw bad('TALLYMAN_TLS_CERT and TALLYMAN_TLS_KEY go together: give both or none.');
  const tls = s.TLS_CERT && s.TLS_KEY ? { certFile: s.TLS_CERT, keyFile: s.TLS_KEY } : null;
  if (!isLoopback(s.HTTP_HOST) && (!tls || !s.TOKEN)) {
    throw bad(
      `TALLYMAN_HTTP_HOST is ${s.HTTP_HOST}, which others can reach: give TALLYMAN_TLS_CERT, TALLYMAN_TLS_KEY and TALLYMAN_TOKEN too, or use 127.0.0.1.`,
    );
  }
  const labels = parseLabelLimits(s.LABEL_LIMITS ?? '');
  if (!labels) throw bad(`TALLYMAN_LABEL_LIMITS is ${JSON.stringify(s.LABEL_LIMITS)}: give limits from 1, as disk=2,host:nas=1.`);
  const sameHosts = parseSameHosts(s.SAME_HOSTS ?? '');
  if (!sameHosts) {
    throw bad(
      `TALLYMAN_SAME_HOSTS is ${JSON.stringify(s.SAME_HOSTS)}: give the names of each machine, without users and each once, as nas=nas.local,box=box.lan.`,
    );
  }
  const roots = s.ROOTS.split(':').filter(Boolean);
  const relative = roots.find((root) => !path.isAbsolute(root));
  if (relative !== undefined)
    throw bad(`TALLYMAN_ROOTS holds ${JSON.stringify(relative)}: every root is an absolute path, ":" between them.`);
  return {
    dataDir: path.resolve(s.DATA),
    httpPort: s.HTTP_PORT,
    httpHost: s.HTTP_HOST,
    tls,
    natsUrl: s.NATS_URL ?? null,
    natsUser: s.NATS_USER ?? null,
    natsPassword: s.NATS_PASSWORD ?? null,
    natsPort: s.NATS_PORT,
    natsServer: s.NATS_SERVER ?? null,
    token: s.TOKEN ?? null,
    roots: roots.map((root) => path.normalize(root)),
    remotes: s.REMOTES?.split(',') ?? [],
    rcloneConfig: path.resolve(s.RCLONE_CONFIG ?? path.join(homedir(), '.config', 'rclone', 'rclone.conf')),
    hosts: s.HOSTS?.split(',') ?? [],
    sameHosts,
    sshConfig: s.SSH_CONFIG === undefined ? null : path.resolve(s.SSH_CONFIG),
    rsyncPasswords: s.RSYNC_PASSWORDS === undefined ? null : path.resolve(s.RSYNC_PASSWORDS),
    prefix: s.PREFIX,
    askTimeoutMs: s.ASK_TIMEOUT_MS,
    leaseMs: s.LEASE_MS,
    limits: { maxRunning: s.MAX_RUNNING, maxPerTarget: s.DISK_LIMIT, labels },
    bandwidth: parseBandwidth(s.BANDWIDTH_LIMIT, 'TALLYMAN_BANDWIDTH_LIMIT', Intl.DateTimeFormat().resolvedOptions().timeZone),
    workerSlots: s.WORKER_SLOTS,
    cleanupAfterSeconds: s.CLEANUP_AFTER_SECONDS,
    cleanupEveryMs: s.CLEANUP_EVERY_MS,
    notify: {
      webhook: s.WEBHOOK ?? null,
      webhookSecret: s.WEBHOOK_SECRET ?? null,
      webhookPrivate: s.WEBHOOK_PRIVATE === 'allow',
      command: s.NOTIFY_COMMAND ?? null,
      on: s.NOTIFY_ON,
    },
  };
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
