import { JobError } from './errors.js';

/** `500k`, `10M`, `10MB/s`, `1.5GiB` as bytes. Throws `invalid_request` naming `what`. */
export function parseSize(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i)?)?b?(?:\/s)?$/i.exec(text.trim());
  if (!match) throw new JobError('invalid_request', `${what} is ${JSON.stringify(text)}: give a size such as 500k, 10M or 1.5GiB.`);
  const power = match[2] === undefined ? 0 : 'kmgt'.indexOf(match[2].toLowerCase()) + 1;
  const size = Math.round(Number(match[1]) * (match[3] === undefined ? 1000 : 1024) ** power);
  if (!Number.isSafeInteger(size))
    throw new JobError('invalid_request', `${what} is ${JSON.stringify(text)}: that is more than can be counted.`);
  return size;
}
