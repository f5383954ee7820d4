import { SECRET_SETTINGS, SETTINGS, readConfig } from '../../config.js';
import type { RoleName } from '../../roles/run-role.js';
import type { Command, Option } from '../command.js';
import { flagOf } from '../context.js';

/** A flag for every setting. */
const SETTING_OPTIONS: readonly Option[] = Object.entries(SETTINGS).map(([name, schema]) => {
  const fallback = schema.safeParse(undefined).data;
  const origin = fallback === undefined ? `TALLYMAN_${name}` : `TALLYMAN_${name}, else ${String(fallback)}`;
  const caution = SECRET_SETTINGS.has(name) ? '; others see flags, so better in the environment' : '';
  return { name: flagOf(name), value: name.split('_').at(-1) ?? name, describe: `${schema.description ?? ''}${caution} (${origin})` };
});

function roleCommand(name: RoleName, summary: string, details: string, example: readonly [string, string]): Command {
  return {
    name,
    group: 'service',
    args: '',
    minArgs: 0,
    maxArgs: 0,
    summary,
    details,
    options: SETTING_OPTIONS,
    examples: [example],
    async run({ env }, args) {
      const given = Object.keys(SETTINGS).map((setting) => [setting, args.text(flagOf(setting))] as const);
      const flags = Object.fromEntries(given.filter((entry): entry is readonly [keyof typeof SETTINGS, string] => entry[1] !== undefined));
      const config = readConfig(env, flags);
      const { runRole } = await import('../../roles/run-role.js');
      return runRole(name, config);
    },
  };
}

export const ROLES: readonly Command[] = [
  roleCommand(
    'serve',
    'run the whole service in one process, beside its own nats-server',
    'Ctrl-C stops it cleanly: running transfers go on at the next start.',
    ['tallyman serve --http-port 8040 --roots /home/ada:/mnt/backup', 'with two folders that jobs may use'],
  ),
  roleCommand('manager', 'run only the job manager', 'It owns the job table and the journal. One leads at a time.', [
    'TALLYMAN_NATS_URL=nats://10.0.0.5:4222 tallyman manager',
    'beside a NATS server that runs already',
  ]),
  roleCommand('gateway', 'run only a gateway: HTTP, WebSocket, dashboard', 'As many as you like.', [
    'tallyman gateway --http-port 8041',
    'a second one',
  ]),
  roleCommand('worker', 'run only a worker: it does the transfers', 'As many as you like.', [
    'tallyman worker --worker-slots 4',
    'four transfers at once',
  ]),
];
