import { connectNats, type NatsLogin } from '../../src/nats/connection.js';

/** The limit that everything is measured against: answers every request with its own body, and does nothing else. */
const login = JSON.parse(process.argv[2] ?? '') as NatsLogin;
const nc = await connectNats(login, 'manager');
nc.subscribe('tallyman.jobs.echo', {
  callback: (_error, msg) => {
    msg.respond(msg.data);
  },
});
await nc.flush();
process.send?.('ready');
