import { expect, test } from 'vitest';
import { parseSameHosts } from '../../actors/host-place.js';
import { readConfig } from '../../src/config.js';
import { startAskedManager } from '../support/asked-manager.js';

const HOSTS = ['ada@nas', 'root@NAS.local', 'box', 'rsync://nas/photos', 'rsync://10.0.0.7:873/photos', 'rsync://nas/music'];

test.each([
  ['ada@nas:/photos', 'root@NAS.local:/photos/2026', true],
  ['rsync://nas/photos/', 'rsync://10.0.0.7:873/photos/2026/', true],
  ['ada@nas:/photos', 'box:/photos', false],
  ['rsync://nas/photos/', 'rsync://nas/music/', false],
  ['ada@nas:/photos', 'root@NAS.local:/music', false],
])('a job to %s keeps one to %s waiting: %s', async (one, other, waits) => {
  const sameHosts = parseSameHosts('nas=nas.local=10.0.0.7,box=box.lan');
  for (const [same, isOne] of [
    [sameHosts, waits],
    [parseSameHosts(''), false],
  ] as const) {
    const manager = await startAskedManager({ hosts: HOSTS, sameHosts: same ?? new Map() });
    const make = async (destination: string) => (await manager.ask('create', { type: 'rsync', source: '/from/', destination })).id;
    const [first, second] = [await make(one), await make(other)];
    expect(await manager.claim(['rsync'])).toBe(first);
    expect(await manager.codesOf(second)).toEqual([isOne ? 'destination' : 'worker']);
    expect(await manager.claim(['rsync'])).toBe(isOne ? null : second);
  }
});

test.each(['nas', 'nas=', 'ada@nas=nas.local', 'nas=-oProxyCommand', 'nas=box,box=tin', 'nas=nas', '=', ','])(
  'the setting refuses %j, and says what it takes',
  (text) => {
    expect(() => readConfig({ TALLYMAN_SAME_HOSTS: text })).toThrow(/TALLYMAN_SAME_HOSTS .* nas=nas\.local/);
  },
);
