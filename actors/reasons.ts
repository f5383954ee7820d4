import { z } from 'zod';

/** Why a job does not run. `message` is for people. */
export const reasonSchema = z.object({
  code: z
    .enum(['not_started', 'paused', 'run_at', 'retry_at', 'away', 'after', 'after_ended', 'hours', 'limit', 'destination', 'worker'])
    .describe('what it waits for'),
  message: z.string(),
  jobs: z.array(z.string()).describe('ids of the jobs that it waits for'),
});
export type Reason = z.infer<typeof reasonSchema>;
