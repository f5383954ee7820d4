import { JobError } from './errors.js';
import type { PreviewLimits } from './job.js';
import type { Transfer } from './transfer-rules.js';

/** A preview counts for so long. */
export const PREVIEW_MS = 3_600_000;

type Digest = (text: string) => string;
type Promised = PreviewLimits & { expiresAtMs: number };

/**
 * What a preview promised, in one word: its end, its numbers, and a digest of
 * these and of the transfer. It is no permission and need not be secret, since
 * whoever may create a job with it may create the same one without it. It keeps
 * a person from running something else than what was shown.
 */
export function makePreviewId(
  transfer: Transfer,
  { expiresAtMs, create, change, delete: deleted, deletions }: Promised,
  digest: Digest,
): string {
  const said = [expiresAtMs, create, change, deleted, deletions || '-'].join('.');
  return `${said}.${digest(said + textOf(transfer))}`;
}

/** The numbers of a preview of this very transfer. Throws `preview_stale`. */
export function readPreviewId(previewId: string, transfer: Transfer, nowMs: number, digest: Digest): PreviewLimits {
  const [expiresAtMs, create, change, deleted, deletions = '-'] = previewId.split('.', 5);
  const limits = { create: Number(create), change: Number(change), delete: Number(deleted), deletions: deletions === '-' ? '' : deletions };
  if (makePreviewId(transfer, { expiresAtMs: Number(expiresAtMs), ...limits }, digest) !== previewId) {
    throw stale('previewId: this is not the preview of this transfer: type, source, destination or options differ.');
  }
  if (nowMs >= Number(expiresAtMs)) throw stale('previewId: this preview has expired.');
  return limits;
}

const stale = (what: string): JobError =>
  new JobError('preview_stale', `${what} Make a new preview and look at it.`, { field: 'previewId' });

const textOf = ({ type, source, destination, options }: Transfer): string => JSON.stringify([type, source, destination, options]);
