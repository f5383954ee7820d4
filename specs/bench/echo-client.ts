import { connectNats, type NatsLogin } from '../../src/nats/connection.js';
import { Inbox } from '../../src/nats/inbox.js';
import { INBOX_PREFIX } from '../../src/subjects.js';
import { rateOf, type Send } from './load.js';

/**
 * Asks the echo, in a process of its own: the NATS library's `request` takes a
 * third longer in one that has heard answers in another way as well. Told
 * `{ requests, inFlight }` it answers the rate. `library` or `inbox` says how
 * it asks: as anybody does, or as our client hears its answers.
 */
const [login = '', how] = process.argv.slice(2);
const nc = await connectNats(JSON.parse(login) as NatsLogin, 'client');
const inbox = new Inbox(nc, INBOX_PREFIX.client);
const body = Buffer.from('{"type":"render","input":{"frame":1}}');
const subject = 'tallyman.jobs.echo';
const byLibrary: Send = () => nc.request(subject, body, { timeout: 30_000 });
const toInbox: Send = () => inbox.request(subject, body, { headers: undefined, timeoutMs: 30_000 });
const send = how === 'library' ? byLibrary : toInbox;

await rateOf(20_000, 256, send); // warms up
process.on('message', ({ requests, inFlight }: { requests: number; inFlight: number }) => {
  void rateOf(requests, inFlight, send).then((rate) => process.send?.(rate));
});
process.send?.('ready');
