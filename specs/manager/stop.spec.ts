import { expect, onTestFinished, test } from 'vitest';
import type { RecordDraft } from '../../actors/journal.js';
import { JobClient } from '../../src/job-client.js';
import { startManager } from '../../src/manager.js';
import { connectNats } from '../../src/nats/connection.js';
import { startTestNats } from '../support/nats-server.js';
import { SimulatedJournal } from '../support/simulated-journal.js';

/** A journal that can go away. */
class AwayJournal extends SimulatedJournal {
  isAway = false;
  appends = 0;
  override append(draft: RecordDraft, expectedSeq: number): Promise<void> {
    this.appends += 1;
    return this.isAway ? new Promise(() => undefined) : super.append(draft, expectedSeq);
  }
}

test('a stop does not wait for ever for a journal that is away; nothing acknowledged is lost, and who waits is told', async () => {
  const nats = await startTestNats({ TALLYMAN_ROOTS: '/' });
  onTestFinished(() => nats.stop());
  const nc = await connectNats(nats.logins.manager, 'manager');
  onTestFinished(() => nc.close());
  const client = await JobClient.connect(nats.logins.client);
  onTestFinished(() => client.close());
  const journal = new AwayJournal();
  const said: string[] = [];
  const start = () =>
    startManager({ config: nats.config, nc, journal, stopLimitMs: 200, log: (line) => said.push(line), settings: { leadLeaseMs: 1 } });
  const manager = await start();
  const { id } = await client.create({ type: 'stored' });
  journal.isAway = true;
  const appends = journal.appends;
  const refused = expect(client.create({ type: 'waits' })).rejects.toMatchObject({ code: 'outcome_unknown' });
  await expect.poll(() => journal.appends).toBe(appends + 1);
  await manager.stop();
  await refused;
  expect(said.join('\n')).toContain('of 1 changes that nobody was told of it is not known whether they are stored');
  journal.isAway = false;
  const next = await start();
  expect((await client.list()).jobs.map((job) => job.id)).toEqual([id]);
  await next.stop();
});
