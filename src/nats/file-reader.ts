import { deferred, type JetStreamManager, type NatsConnection } from 'nats';
import { JobError } from '../../actors/errors.js';
import { FILE_OUTCOMES, fileCountsSchema, type FileCounts } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import type { ReaderRequests } from '../../actors/requests.js';
import type { Answers } from '../answers.js';
import type { FileRecord } from '../file-record.js';
import type { JobClient } from '../job-client.js';
import { subjectsOf, type Subjects } from '../subjects.js';
import { decodeRecords } from './file-batch.js';
import { messageOf } from './line-place.js';
import { ownFeed } from './stream-feed.js';
import { StreamTail } from './stream-tail.js';

type FileQuery = ReaderRequests['files'];

/** A page is answered after this time even when it is not full: much may have been looked at that did not fit. */
const PAGE_WITHIN_MS = 3_000;
/** What everybody sees who does not say what. */
const SHOWN = FILE_OUTCOMES.filter((outcome) => outcome !== 'deleting');
/** What a record takes beside its texts. */
const FIELDS_BYTES = 250;

/** Reads what became of the files of an attempt. */
export class FileReader {
  readonly #nc: NatsConnection;
  readonly #client: Pick<JobClient, 'get'>;
  readonly #subjects: Subjects;
  #open = 0;

  constructor({ nc, prefix, client }: { nc: NatsConnection; prefix: string; client: Pick<JobClient, 'get'> }) {
    this.#nc = nc;
    this.#client = client;
    this.#subjects = subjectsOf(prefix);
  }

  /**
   * The files after `query.after` that fit, in the order in which they were told,
   * at most `query.limit` and about `LIMITS.answerBytes`. A page may hold none and
   * still have a `next`. Throws `job_not_found`, `unavailable` and `overloaded`.
   */
  async read(query: FileQuery): Promise<Answers['files']> {
    const job = await this.#client.get(query.id);
    const attempt = query.attempt ?? job.attempt;
    if (this.#open >= LIMITS.logReaders)
      throw new JobError('overloaded', `${LIMITS.logReaders} lists of files are being read already. Try again later.`);
    this.#open++;
    try {
      const counts = query.after === 0 ? await this.#counts(query.id, attempt) : undefined;
      return { attempt, ...(await this.#page({ ...query, attempt })), ...(counts && { counts }) };
    } finally {
      this.#open--;
    }
  }

  async #page(query: FileQuery & { attempt: number }): Promise<Pick<Answers['files'], 'files' | 'next'>> {
    const { id, attempt, outcome = SHOWN, after } = query;
    const page = new Page(query);
    const done = deferred<boolean>();
    const tail = new StreamTail({
      feed: () => Promise.resolve(ownFeed('gateway')),
      nc: this.#nc,
      stream: this.#subjects.filesStream,
      filterSubject: [...new Set(outcome)].map((word) => this.#subjects.files(id, attempt, word)),
      onLost: ({ lastSeq }) => {
        done.reject(new JobError('unavailable', 'The list of files changed while it was read. Begin again with its first page.'));
        return lastSeq;
      },
      onMessage: (message) => {
        page.add(decodeRecords(message));
        if (page.isFull) done.resolve(true);
        else if (message.left === 0) done.resolve(false);
      },
    });
    const timer = setTimeout(() => done.resolve(true), PAGE_WITHIN_MS);
    try {
      // A place in a stream that was there before: this one is read from its beginning.
      const left = await tail.start(({ lastSeq }) => (messageOf(after) > lastSeq ? 0 : Math.max(0, messageOf(after) - 1)));
      const isMore = left > 0 && (await done);
      return { files: page.files, next: isMore ? page.last : null };
    } finally {
      clearTimeout(timer);
      tail.stop();
    }
  }

  /** The writer tells them at its end. */
  async #counts(id: string, attempt: number): Promise<FileCounts | undefined> {
    const { filesStream, files } = this.#subjects;
    try {
      const jsm = await this.#jsm();
      const last = await jsm.streams.getMessage(filesStream, { last_by_subj: files(id, attempt, 'counts') });
      return fileCountsSchema.parse(JSON.parse(new TextDecoder().decode(last.data)));
    } catch {
      return undefined;
    }
  }

  #jsm(): Promise<JetStreamManager> {
    return this.#nc.jetstreamManager({ checkAPI: false });
  }
}

/** What `read` gathers. */
class Page {
  readonly files: FileRecord[] = [];
  readonly #text: string | undefined;
  readonly #limit: number;
  #bytes = 0;
  last: number;

  constructor({ text, limit, after }: FileQuery) {
    this.#text = text?.toLowerCase();
    this.#limit = limit;
    this.last = after;
  }

  get isFull(): boolean {
    return this.files.length >= this.#limit || this.#bytes >= LIMITS.answerBytes;
  }

  add(records: readonly FileRecord[]): void {
    for (const record of records) {
      if (this.isFull) return;
      if (record.seq <= this.last) continue;
      this.last = record.seq;
      if (!this.#fits(record)) continue;
      this.files.push(record);
      this.#bytes += Buffer.byteLength(record.path) + (record.pathBase64?.length ?? 0) + (record.why?.length ?? 0) + FIELDS_BYTES;
    }
  }

  #fits({ path, why }: FileRecord): boolean {
    const text = this.#text;
    return text === undefined || path.toLowerCase().includes(text) || (why?.toLowerCase().includes(text) ?? false);
  }
}
