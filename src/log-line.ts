/** One line of a job's log, as it stands in the LOGS stream and as every front end gives it. */
export interface LogLine {
  /** Its place in the LOGS stream: pass it as `after` to go on from there. Set when read. */
  seq: number;
  /** ISO 8601, UTC. */
  at: string;
  job: string;
  attempt: number;
  level: 'debug' | 'info' | 'warning' | 'error';
  stream: 'stdout' | 'stderr' | 'worker';
  /** At most `LIMITS.logLineBytes`; control characters are kept here and shown escaped. */
  text: string;
}
