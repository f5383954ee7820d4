import type { Job } from '../../actors/job.js';
import type { JobClient, RequestBody } from '../../src/job-client.js';

type Options = NonNullable<RequestBody<'create'>['options']>;

const FAILURE = { code: 'render_failed', message: 'no light' };

/** Makes a job and brings it to its end as a worker and people would. */
export async function finish(
  client: JobClient,
  how: 'completed' | 'warning' | 'failed' | 'cancelled',
  options: Options = {},
): Promise<Job> {
  const { id } = await client.create({ type: 'probe', name: `to be ${how}`, options });
  if (how === 'cancelled') {
    const { attempt } = await claim(client);
    await client.command('cancel', id);
    return client.ask('release', { id, attempt });
  }
  const { attempt } = await claim(client);
  if (how === 'failed') return client.ask('fail', { id, attempt, error: FAILURE });
  return client.ask('complete', { id, attempt, warnings: how === 'warning' ? ['2 files vanished'] : [] });
}

async function claim(client: JobClient): Promise<Job> {
  const { job } = await client.ask('claim', { worker: 'spec', types: ['probe'] });
  if (!job) throw new Error('no job waits');
  return job;
}
