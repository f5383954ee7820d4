import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { Problem } from '../../src/http/problem.js';
import type { Job } from '../../actors/job.js';

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body as JSON: whatever it is, a job, an error. */
  json(): unknown;
  job(): Job;
  problem(): Problem;
}

export interface Call {
  method?: string;
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  raw?: string | Buffer;
  headers?: Record<string, string>;
  /** `null` sends none. */
  token?: string | null;
}

/** One HTTP request with all headers in our hands: `fetch` forbids Host, Origin and Cookie. */
export function call({ url, token: own }: { url: string; token: string }, path: string, options: Call = {}): Promise<HttpAnswer> {
  const { method = 'GET', body, headers, token = own } = options;
  const raw = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const request = httpRequest(url + path, {
      method,
      agent: false,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(raw === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(raw)) }),
        ...headers,
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = (): unknown => JSON.parse(text);
        const job = () => json() as Job;
        const problem = () => json() as Problem;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json, job, problem });
      });
    });
    request.end(raw);
  });
}

/** Sends bytes as they are and gives everything that comes back until the service closes the connection. */
export function rawCall(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

export const ownJob = (fields: Record<string, unknown> = {}): Record<string, unknown> => ({ type: 'probe', input: { n: 1 }, ...fields });

export async function createJob(service: { url: string; token: string }, fields: Record<string, unknown> = {}): Promise<Job> {
  const answer = await call(service, '/v1/jobs', { method: 'POST', body: ownJob(fields) });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.job();
}
