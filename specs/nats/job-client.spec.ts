import { expect, test } from 'vitest';
import { JobError } from '../../actors/errors.js';
import { startTestService } from '../support/service.js';

test('a caller that tries again without a pause does not keep the connection from coming back', async () => {
  const service = await startTestService({ gateway: false });
  await service.nats.kill();
  const codes = new Set<string>();
  const answered = (async () => {
    for (;;) {
      try {
        return await service.client.list({}, { timeoutMs: 1000 });
      } catch (error) {
        codes.add((error as JobError).code);
      }
    }
  })();
  await expect.poll(() => codes.has('unavailable')).toBe(true);
  await service.nats.restart();
  expect(await answered).toMatchObject({ jobs: [] });
  await service.stop();
});
