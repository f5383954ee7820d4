import { z } from 'zod';

/** What a transfer copies beside contents, times, permissions, owners and links. */
export const METADATA = ['acls', 'xattrs', 'hardLinks', 'sparse'] as const;
export type Metadata = (typeof METADATA)[number];

export const metadataSchema = z.strictObject({
  acls: z.boolean().optional().describe('access control lists'),
  xattrs: z.boolean().optional().describe('extended attributes'),
  hardLinks: z.boolean().optional().describe('names of one file in the source are names of one file in the copy'),
  sparse: z.boolean().optional().describe('holes in files take no room in the copy'),
});

export const askedMetadata = (options: { metadata?: z.infer<typeof metadataSchema> | null | undefined }): Metadata[] =>
  METADATA.filter((kind) => options.metadata?.[kind]);
