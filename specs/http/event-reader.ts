import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';

export interface ServerEvent {
  id: number;
  event: string;
  data: unknown;
}

/** Reads server-sent events. The bytes are read only as far as `next` needs them, so that it can be a slow reader. */
export class EventReader {
  readonly response: IncomingMessage;
  /** Comments, each of them a sign of life. */
  comments = 0;
  readonly #request: ClientRequest;
  readonly #events: AsyncGenerator<ServerEvent, null>;

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.response = response;
    this.#events = this.#read();
  }

  static open({ url, token }: { url: string; token: string }, path: string, headers: Record<string, string> = {}): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(url + path, { agent: false, headers: { authorization: `Bearer ${token}`, ...headers } });
      request.on('response', (response) => resolve(new EventReader(request, response)));
      request.on('error', reject);
      request.end();
    });
  }

  /** The next event; `null` when the stream has ended. Rejects when it was cut off. */
  async next(): Promise<ServerEvent | null> {
    const result = await this.#events.next();
    return result.done === true ? null : result.value;
  }

  close(): void {
    this.#request.destroy();
  }

  async *#read(): AsyncGenerator<ServerEvent, null> {
    let text = '';
    for await (const chunk of this.response.setEncoding('utf8') as AsyncIterable<string>) {
      const blocks = (text + chunk).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = new Map(
          block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
        );
        if (fields.has('')) this.comments += 1;
        const data = fields.get('data');
        if (data !== undefined) yield { id: Number(fields.get('id')), event: fields.get('event') ?? '', data: JSON.parse(data) as unknown };
      }
    }
    return null;
  }
}
