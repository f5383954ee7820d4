/* eslint-disable @typescript-eslint/no-deprecated -- a consumer that pushes is what is tried here */
import { connect, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALL_VERBS, READER_VERBS } from '../actors/requests.js';
import { connectNats } from '../src/nats/connection.js';
import { ensureJobStreams } from '../src/nats/job-streams.js';
import { journalFeed } from '../src/nats/stream-feed.js';
import { INBOX_PREFIX, subjectsOf, type Role } from '../src/subjects.js';
import { startTestNats, type TestNats } from './support/nats-server.js';

const ROLES = Object.keys(INBOX_PREFIX) as Role[];

describe.each(['tallyman', 'depot-2'])('with the prefix %s', (prefix) => {
  const subjects = subjectsOf(prefix);
  const verbs = ALL_VERBS.map((verb) => subjects.verb(verb));
  const readers = READER_VERBS.map((verb) => subjects.verb(verb));
  const { journalStream, logsStream, filesStream, noticesStream, journal } = subjects;
  const event = subjects.event('completed', '01ABC');
  const log = subjects.log('01ABC', 1);
  const file = subjects.files('01ABC', 1, 'failed');
  const inbox = (role: Role) => `${INBOX_PREFIX[role]}.abc.1`;

  const followingJournal = [
    `${subjects.feedApi}.STREAM.INFO.${journalStream}`,
    `${subjects.feedApi}.CONSUMER.CREATE.${journalStream}`,
    `$JS.FC.${journalStream}.name.1`,
  ];
  const following = (stream: string) => [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.name`,
    `$JS.API.CONSUMER.DELETE.${stream}.name`,
    `$JS.FC.${stream}.name.1`,
  ];
  const owning = (stream: string) => ['INFO', 'CREATE', 'UPDATE', 'PURGE'].map((action) => `$JS.API.STREAM.${action}.${stream}`);
  const nobodys = [
    `$JS.API.STREAM.DELETE.${noticesStream}`,
    `$JS.API.CONSUMER.CREATE.${noticesStream}.name`,
    ...[journalStream, logsStream, filesStream].flatMap((stream) => [
      `$JS.API.STREAM.DELETE.${stream}`,
      `$JS.API.STREAM.MSG.DELETE.${stream}`,
      `$JS.API.STREAM.SNAPSHOT.${stream}`,
      `$JS.API.STREAM.RESTORE.${stream}`,
      `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.name`,
    ]),
    '$JS.API.STREAM.CREATE.OTHER',
    '$JS.API.STREAM.INFO.OTHER',
    '$JS.API.ACCOUNT.PURGE.x',
    ...[journalStream, logsStream, filesStream].flatMap((stream) => [
      `$JS.API.CONSUMER.INFO.${stream}.name`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.name`,
      `$JS.API.DIRECT.GET.${stream}`,
    ]),
    '$SYS.REQ.SERVER.PING',
    `${prefix}.jobs`,
    `${prefix}.jobs.get.more`,
    'stranger.jobs.get',
  ];

  const mayPublish: Record<Role, string[]> = {
    manager: [subjects.verb('cleanup'), inbox('manager'), inbox('gateway'), inbox('worker'), inbox('client')],
    journal: [journal, '$JS.API.INFO', ...following(journalStream), ...owning(journalStream), `$JS.API.STREAM.MSG.GET.${journalStream}`],
    logs: [...owning(logsStream), ...owning(filesStream)],
    notifier: [
      ...['INFO', 'CREATE', 'UPDATE', 'MSG.GET', 'MSG.DELETE'].map((action) => `$JS.API.STREAM.${action}.${noticesStream}`),
      subjects.noticesCursor,
      subjects.notice('job', '01ABC-3'),
      event,
      log,
    ],
    gateway: [
      ...verbs,
      '$SRV.PING',
      ...followingJournal,
      ...following(logsStream),
      ...following(filesStream),
      `$JS.API.STREAM.MSG.GET.${filesStream}`,
      inbox('gateway'),
      inbox('worker'),
      inbox('client'),
    ],
    worker: [
      ...['claim', 'heartbeat', 'progress', 'complete', 'fail', 'release', 'get', 'files'].map((verb) => `${prefix}.jobs.${verb}`),
      log,
      file,
      inbox('gateway'),
      inbox('client'),
    ],
    client: [...verbs, '$SRV.PING'],
  };
  const maySubscribe: Record<Role, string[]> = {
    manager: [...verbs, '$SRV.PING', '$SRV.INFO.tallyman', `${INBOX_PREFIX.manager}.>`],
    journal: [`${INBOX_PREFIX.journal}.>`],
    logs: [`${INBOX_PREFIX.logs}.>`],
    notifier: [`${INBOX_PREFIX.notifier}.>`],
    gateway: [...readers, '$SRV.PING', '$SRV.INFO.tallyman', `${INBOX_PREFIX.gateway}.>`, `${subjects.feed}.>`],
    worker: [subjects.verb('preview'), '$SRV.PING', '$SRV.INFO.tallyman', `${INBOX_PREFIX.worker}.>`],
    client: [`${INBOX_PREFIX.client}.>`, subjects.allEvents, event],
  };
  const toPublish = unique([...Object.values(mayPublish).flat(), ...nobodys]);
  const toSubscribe = unique([
    ...Object.values(maySubscribe).flat(),
    '>',
    '_INBOX_*.>',
    '$JS.>',
    '$SYS.>',
    journal,
    subjects.allLogs,
    subjects.allNotices,
    log,
    subjects.allFiles,
    file,
    `${prefix}.>`,
  ]);

  let nats: TestNats;
  beforeAll(async () => {
    nats = await startTestNats({ TALLYMAN_PREFIX: prefix });
  });
  afterAll(() => nats.stop());

  test.each(ROLES)('the %s publishes to what it needs and to nothing else', async (role) => {
    const nc = await connectNats(nats.logins[role], role);
    const refused = await refusals(nc, () => toPublish.forEach((subject) => nc.publish(subject)));
    expect(toPublish.filter((subject) => !refused.has(subject)).sort()).toEqual(unique(mayPublish[role]).sort());
  });

  test.each(ROLES)('the %s listens to what it needs and to nothing else', async (role) => {
    const nc = await connectNats(nats.logins[role], role);
    const refused = await refusals(nc, () => toSubscribe.forEach((subject) => nc.subscribe(subject, { callback: () => undefined })));
    expect(toSubscribe.filter((subject) => !refused.has(subject)).sort()).toEqual(unique(maySubscribe[role]).sort());
  });
});

describe('against raw connections', () => {
  let nats: TestNats;
  let owner: NatsConnection;
  beforeAll(async () => {
    nats = await startTestNats();
    owner = await connectNats(nats.logins.journal, 'journal');
    const jsm = await owner.jetstreamManager();
    await jsm.streams.add({ name: 'tallyman_JOURNAL', subjects: ['tallyman.journal'] });
    const logs = await connectNats(nats.logins.logs, 'logs');
    await ensureJobStreams(await logs.jetstreamManager({ checkAPI: false }), 'tallyman');
    await logs.close();
    await owner.jetstream().publish('tallyman.journal', 'a record');
  });
  afterAll(async () => {
    await owner.close();
    await nats.stop();
  });

  const journalState = async () => (await (await owner.jetstreamManager()).streams.info('tallyman_JOURNAL')).state;

  test.each(['manager', 'logs', 'notifier', 'gateway', 'worker', 'client'] as const)(
    'the %s can neither write nor purge the journal',
    async (role) => {
      const nc = await connectNats(nats.logins[role], role);
      const before = await journalState();
      const refused = await refusals(nc, () => {
        nc.publish('tallyman.journal', 'forged');
        nc.publish('$JS.API.STREAM.PURGE.tallyman_JOURNAL');
        nc.publish('$JS.API.STREAM.DELETE.tallyman_JOURNAL');
      });
      expect(refused.size).toBe(3);
      expect(await journalState()).toEqual(before);
    },
  );

  test('the worker writes log lines and gets their acknowledgement', async () => {
    const nc = await connectNats(nats.logins.worker, 'worker');
    const ack = await nc.jetstream().publish('tallyman.logs.01ABC.1', 'a line');
    expect(ack.stream).toBe('tallyman_LOGS');
    await nc.close();
  });

  /** What each may publish and is answered: the answer must not go into the journal, wherever it is sent. */
  const answered: [Role, string][] = [
    ['worker', 'tallyman.logs.01ABC.1'],
    ['worker', 'tallyman.files.01ABC.1.failed'],
    ['gateway', '$JS.API.STREAM.MSG.GET.tallyman_FILES'],
    ['gateway', 'tallyman.feed_api.STREAM.INFO.tallyman_JOURNAL'],
    ['gateway', '$JS.API.STREAM.INFO.tallyman_LOGS'],
    ['gateway', 'tallyman.jobs.get'],
    ['client', 'tallyman.jobs.get'],
    ['logs', '$JS.API.STREAM.INFO.tallyman_LOGS'],
  ];
  test.each(answered)('an answer that the %s asks for by %s does not get into the journal', async (role, subject) => {
    const manager = await connectNats(nats.logins.manager, 'manager');
    manager.subscribe('tallyman.jobs.get', { callback: (_error, msg) => void msg.respond('forged') });
    await manager.flush();
    const nc = await connectNats(nats.logins[role], role);
    const before = await journalState();
    nc.publish(subject, '', { reply: 'tallyman.journal' });
    await nc.flush();
    await manager.flush();
    expect(await journalState()).toEqual(before);
    await nc.close();
    await manager.close();
  });

  test('the gateway reads the journal, but can make no consumer that writes into it', async () => {
    const nc = await connectNats(nats.logins.gateway, 'gateway');
    const { apiPrefix, inboxPrefix } = await journalFeed(nc, 'tallyman');
    const readerJsm = await nc.jetstreamManager({ checkAPI: false, apiPrefix: apiPrefix ?? '' });
    const messages = nc.subscribe(`${inboxPrefix}.one`, { max: 1 });
    await readerJsm.consumers.add('tallyman_JOURNAL', { deliver_subject: `${inboxPrefix}.one` });
    for await (const message of messages) expect(message.string()).toBe('a record');
    const before = await journalState();
    await expect(readerJsm.consumers.add('tallyman_JOURNAL', { deliver_subject: 'tallyman.journal' })).rejects.toThrow(/cycle/);
    const logsJsm = await nc.jetstreamManager({ checkAPI: false });
    const worker = await connectNats(nats.logins.worker, 'worker');
    await worker.jetstream().publish('tallyman.logs.01ABC.1', 'a line');
    await logsJsm.consumers.add('tallyman_LOGS', { deliver_subject: 'tallyman.journal' });
    await nc.flush();
    expect((await journalState()).last_seq).toBe(before.last_seq);
    await worker.close();
    await nc.close();
  });

  test('a stranger, a wrong password and no password are turned away', async () => {
    const servers = nats.url;
    const { password = '' } = nats.logins.journal;
    await expect(connect({ servers })).rejects.toThrow(/Authorization/);
    await expect(connect({ servers, user: 'journal', pass: `${password}x` })).rejects.toThrow(/Authorization/);
    await expect(connect({ servers, user: 'nobody', pass: password })).rejects.toThrow(/Authorization/);
  });

  test('it listens on this machine alone, and takes 8 MB in one message', () => {
    expect(nats.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect(owner.info?.max_payload).toBe(8 * 1024 * 1024);
  });
});

/** The subjects of what the server refused while `act` did what it did. Closes the connection. */
async function refusals(nc: NatsConnection, act: () => void | Promise<void>): Promise<Set<string>> {
  const refused = new Set<string>();
  const last = 'the.last'; // which nobody may publish: its refusal comes after all others
  const reading = (async () => {
    for await (const { permissionContext } of nc.status()) {
      if (permissionContext?.subject === last) return;
      if (permissionContext) refused.add(permissionContext.subject);
    }
  })();
  await act();
  nc.publish(last);
  await reading;
  await nc.close();
  return refused;
}

function unique<T>(items: T[]): T[] {
  return [...new Set(items)];
}
