import { connectNats, type NatsLogin } from '../../src/nats/connection.js';

/** The limit that everything is measured against: answers every request and does nothing else, be it with the request's own body or with as many bytes as a job has. */
const login = JSON.parse(process.argv[2] ?? '') as NatsLogin;
const job = Buffer.from(JSON.stringify('-'.repeat(740)));
const nc = await connectNats(login, 'manager');
for (const [subject, answer] of [
  ['tallyman.jobs.echo', null],
  ['tallyman.jobs.echo_job', job],
] as const) {
  nc.subscribe(subject, {
    callback: (_error, msg) => {
      msg.respond(answer ?? msg.data);
    },
  });
}
await nc.flush();
process.send?.('ready');
