/** Every limit that a user can meet, in one place. Past one of them the answer is an error of the catalogue. */
export const LIMITS = {
  /** Requests that may wait in the JobManager's mailbox, and the bytes of them. */
  mailboxMessages: 20_000,
  mailboxBytes: 64 * 1024 * 1024,
  /** What one journal record takes: requests decided together, and its bytes (the server's `max_payload` may say less). */
  roundMessages: 2_000,
  recordBytes: 4 * 1024 * 1024,
  /** A job whose progress alone changes stands whole in at least one of so many records; readers begin so many earlier. */
  patchReachRecords: 500,
  requestBytes: 1024 * 1024,
  requestDepth: 32,
  inputBytes: 64 * 1024,
  pathChars: 4096,
  idsPerRequest: 1_000,
  afterPerJob: 32,
  rankChars: 1_000,
  jobsPerCreateMany: 1_000,
  updatesPerRequest: 1_000,
  listDefault: 100,
  listMax: 1_000,
  answerBytes: 4 * 1024 * 1024,
  jobs: 1_000_000,
  schedules: 1_000,
  /** Of the job that a schedule makes: schedule and job stand in one journal record. */
  scheduleJobChars: 64 * 1024,
  cronChars: 100,
  /** A run that comes later than this was missed; and how many missed times are told one by one. */
  scheduleLateMs: 60_000,
  missedTimesTold: 20,
  historyEntries: 100,
  parkedClaims: 1_024,
  mountsPerClaim: 256,
  waitMsMax: 60_000,
  /** Idempotency keys outlive their deleted jobs for this long, and this many of them. */
  keyMemoryMs: 24 * 3600 * 1000,
  keyMemoryCount: 100_000,
  cleanupPerRequest: 20_000,
  /** Times of day in the timetable of the bandwidth limit in all. */
  bandwidthSteps: 100,
  /** Files that a job writes into one manifest. */
  manifestFiles: 1_000_000,
  /** Processes that copy for one job at once. */
  parallel: 16,
  /** Files of a source that one job may delete. */
  deletionFiles: 1_000_000,
  logLinesPerAnswer: 5_000,
  logLineBytes: 16 * 1024,
  logBytesPerJob: 32 * 1024 * 1024,
  /** Of one attempt, while the log store does not take its lines; of all jobs together in the store. */
  logQueueBytes: 4 * 1024 * 1024,
  logStoreBytes: 1024 * 1024 * 1024,
  logReaders: 256,
  /** Files of one attempt that are told one by one (what comes after is only counted), and in one answer. */
  filesPerAttempt: 1_000_000,
  filesPerAnswer: 5_000,
  /** Of one attempt, while the store does not take its files; of all jobs together in the store. */
  fileQueueBytes: 4 * 1024 * 1024,
  fileStoreBytes: 2 * 1024 * 1024 * 1024,
  /** Requests to `changes` and `logs` over NATS that wait for news. */
  parkedPolls: 1_024,
  watchSnapshotJobs: 10_000,
  watcherBufferedBytes: 8 * 1024 * 1024,
  watchersPerGateway: 5_000,
  connectionsPerGateway: 6_000,
  /** Of one WebSocket: requests without an answer yet, requests in one JSON-RPC batch, and watches and follows. */
  socketRequestsInFlight: 256,
  rpcBatch: 100,
  watchesPerSocket: 100,
  /** Previews of one worker at once; how long one may take when nobody says; names in its answer, and deleted files whose size is looked up. */
  previewsAtOnce: 2,
  previewMs: 60_000,
  previewNames: 1_000,
  previewNameBytes: 1024 * 1024,
  previewSizes: 10_000,
  askTimeoutMsMax: 600_000,
  /** Of telling that a job has finished: a receiver's URL, how long it may take, how often and how long it is tried. */
  webhookChars: 2048,
  webhookTimeoutMs: 10_000,
  webhookAnswerBytes: 4096,
  notifyCommandMs: 60_000,
  noticeTries: 15,
  noticeAgeMs: 24 * 3600 * 1000,
  /** Notices that wait, for one receiver and for all, and their bytes; and how many are on their way at once. */
  noticesPerReceiver: 1_000,
  notices: 10_000,
  noticeBytes: 64 * 1024 * 1024,
  noticesAtOncePerReceiver: 4,
  noticesAtOnce: 64,
} as const;
