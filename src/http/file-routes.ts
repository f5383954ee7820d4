import { Readable } from 'node:stream';
import { LIMITS } from '../../actors/limits.js';
import { parseRequest } from '../../actors/parse-request.js';
import { READER_REQUESTS, type ReaderRequests } from '../../actors/requests.js';
import type { Answers } from '../answers.js';
import type { FileRecord } from '../file-record.js';
import { ANSWERS } from './answer-schemas.js';
import type { GatewayContext } from './context.js';
import { sendJson } from './asking.js';
import { fileQuerySchema } from './job-query.js';
import { TYPES, acceptedFormat } from './log-routes.js';
import { CSV_HEAD, fileCsv, fileText } from './file-text.js';
import { ASK_ERRORS, idOf, type Route } from './route.js';

const FILE_TYPES = { ...TYPES, csv: 'text/csv' } as const;

/** `/v1/jobs/{id}/files`: what became of the files of an attempt, to read and to download. */
export function fileRoutes({ client }: GatewayContext): Route[] {
  const files: Route = {
    method: 'GET',
    path: '/v1/jobs/{id}/files',
    operationId: 'getFiles',
    summary: 'What became of the files of an attempt: a page as JSON, all of them as text, CSV or JSON lines',
    access: 'token',
    streams: true,
    query: fileQuerySchema,
    answers: {
      200: { description: 'Files, in the order in which they were told', schema: ANSWERS.files, type: Object.values(FILE_TYPES) },
    },
    errors: [...ASK_ERRORS, 'job_not_found'],
    async handle(request, reply) {
      const { format, download, limit, ...filter } = parseRequest(fileQuerySchema, request.query);
      const id = idOf(request);
      const query = parseRequest(READER_REQUESTS.files, { ...filter, id, ...(limit === undefined ? {} : { limit }) });
      const chosen = format ?? (request.headers.accept?.includes(FILE_TYPES.csv) ? 'csv' : acceptedFormat(request));
      reply.type(`${FILE_TYPES[chosen]}; charset=utf-8`);
      if (download) reply.header('content-disposition', `attachment; filename="${id}-files.${chosen === 'text' ? 'txt' : chosen}"`);
      if (chosen === 'json') return sendJson(reply, JSON.stringify(await client.ask('files', query)));
      // What is wrong with the request is told before the first byte.
      await client.ask('get', { id });
      return reply.send(Readable.from(pages(client, query, limit ?? Infinity, chosen)));
    },
  };
  return [files];
}

const WRITERS = { text: fileText, csv: fileCsv, jsonl: (file: FileRecord): string => `${JSON.stringify(file)}\n` };

/** A whole list, a page at a time as the reader takes it. */
async function* pages(
  client: GatewayContext['client'],
  query: ReaderRequests['files'],
  limit: number,
  format: keyof typeof WRITERS,
): AsyncGenerator<string> {
  if (format === 'csv') yield CSV_HEAD;
  let left = limit;
  for (let after: number | null = query.after; after !== null && left > 0;) {
    const { files, next, attempt }: Answers['files'] = await client.ask('files', {
      ...query,
      after,
      limit: Math.min(left, LIMITS.filesPerAnswer),
    });
    // The newest attempt may be another one before the list has ended.
    query = { ...query, attempt };
    yield files.map(WRITERS[format]).join('');
    left -= files.length;
    after = next;
  }
}
