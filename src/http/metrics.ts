import { JOB_STATUSES } from '../../actors/job.js';
import type { Answers } from '../answers.js';
import type { GatewayContext } from './context.js';

/** The content type of Prometheus' text format. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Record<string, string | number>;
type Sample = [value: number, labels?: Labels];

/** Prometheus' text. `stats` is `null` when the JobManager does not answer: `<prefix>_up` is 0 then. */
export function metricsText(context: GatewayContext, stats: Answers['stats'] | null): string {
  const prefix = context.config.prefix.replaceAll('-', '_').replace(/^(?=\d)/, '_');
  const lines: string[] = [];
  const add = (type: 'gauge' | 'counter', name: string, help: string, ...samples: Sample[]): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [value, labels] of samples) lines.push(`${name}${labelText(labels)} ${value}`);
  };
  const gauge = (name: string, help: string, ...samples: Sample[]): void => add('gauge', `${prefix}_${name}`, help, ...samples);
  const counter = (name: string, help: string, ...samples: Sample[]): void => add('counter', `${prefix}_${name}`, help, ...samples);

  gauge('up', 'Whether the JobManager answers this gateway.', [stats ? 1 : 0]);
  if (stats) {
    const { mailbox, journal, counters } = stats;
    gauge('jobs', 'Jobs by status.', ...JOB_STATUSES.map((status): Sample => [stats.byStatus[status], { status }]));
    gauge('schedules', 'Schedules and templates.', [stats.schedules.total]);
    gauge('schedules_active', 'Schedules that wait for a time.', [stats.schedules.active]);
    gauge('mailbox_messages', 'Requests that wait in the mailbox.', [mailbox.messages]);
    gauge('mailbox_bytes', 'Bytes of the requests that wait in the mailbox.', [mailbox.bytes]);
    gauge('parked_claims', 'Claims that wait for a job.', [mailbox.parkedClaims]);
    gauge('journal_bytes', 'Size of the journal.', [journal.bytes]);
    gauge('journal_live_bytes', 'Size of what is current in the journal.', [journal.liveBytes]);
    gauge('journal_records', 'Records in the journal.', [journal.messages]);
    gauge('journal_seq', 'Number of the last record.', [stats.seq]);
    gauge('epoch', 'How many managers there were.', [stats.epoch]);
    counter('asks_total', 'Requests to the JobManager.', [counters.asks]);
    counter('commits_total', 'Records appended to the journal.', [counters.commits]);
    counter('changes_total', 'Changes of jobs in those records.', [counters.changes]);
    counter(
      'errors_total',
      'Requests answered with an error.',
      ...Object.entries(counters.errors).map(([code, n]): Sample => [n, { code }]),
    );
  }
  gauge('watchers', 'Watchers of this gateway.', [context.hub.watchers]);
  gauge('open_streams', 'WebSockets and event streams of this gateway.', [context.longLived.count]);
  const routes = context.counters.all();
  counter(
    'http_requests_total',
    'Answered HTTP requests.',
    ...routes.map(({ requests, ...labels }): Sample => [requests, labelsOf(labels)]),
  );
  counter(
    'http_request_seconds_total',
    'Time that they took.',
    ...routes.map(({ seconds, ...labels }): Sample => [seconds, labelsOf(labels)]),
  );

  const { user, system } = process.cpuUsage();
  const memory = process.memoryUsage();
  add('counter', 'process_cpu_seconds_total', 'CPU time of the process.', [(user + system) / 1e6]);
  add('gauge', 'process_resident_memory_bytes', 'Resident memory of the process.', [memory.rss]);
  add('gauge', 'process_start_time_seconds', 'Start of the process, since 1970.', [Math.round(Date.now() / 1000 - process.uptime())]);
  add('gauge', 'nodejs_heap_size_used_bytes', 'Used heap.', [memory.heapUsed]);
  return `${lines.join('\n')}\n`;
}

const labelsOf = ({ method, route, status }: { method: string; route: string; status: number }): Labels => ({ method, route, status });

function labelText(labels: Labels | undefined): string {
  if (!labels) return '';
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
  );
  return `{${pairs.join(',')}}`;
}
