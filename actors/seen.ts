import { z } from 'zod';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** What tells a disk from others. */
const disk = z.string().min(1).max(300);
/** What a person says yes to: these disks, or a source that has no more than this. */
export const agreedSchema = z.strictObject({
  source: disk.exactOptional(),
  destination: disk.exactOptional(),
  sourceFiles: count.exactOptional(),
  sourceBytes: count.exactOptional(),
});
export type Agreed = z.infer<typeof agreedSchema>;

/** What is expected of the two sides: what earlier attempts saw, or the last completed job from and to the same. Of `host` alone. */
export const seenSchema = z.strictObject({
  host: z.string().max(255),
  source: disk.nullable(),
  destination: disk.nullable(),
  sourceFiles: count.exactOptional(),
  sourceBytes: count.exactOptional(),
  agreed: agreedSchema.exactOptional().describe('what a person said yes to instead'),
});
export type Seen = z.infer<typeof seenSchema>;
