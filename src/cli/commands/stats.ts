import { JOB_STATUSES } from '../../../actors/job.js';
import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { bytes, localTime, relativeTime } from '../format.js';
import { pairLines } from '../table.js';

export const stats: Command = {
  name: 'stats',
  group: 'look',
  args: '',
  minArgs: 0,
  maxArgs: 0,
  summary: 'how many jobs there are, and how the service does',
  options: CLIENT_OPTIONS,
  examples: [['tallyman stats', 'jobs by status, mailbox, journal']],
  async run({ service, terminal, json }) {
    const answer = await (await service.client()).ask('stats', {});
    if (json) {
      terminal.json(answer);
      return EXIT_CODES.ok.code;
    }
    const { byStatus, byType, schedules, mailbox, journal, counters } = answer;
    const lines = pairLines([
      ['jobs', String(answer.total)],
      ...JOB_STATUSES.map((status) => [`  ${status}`, byStatus[status] > 0 ? String(byStatus[status]) : null] as const),
      [
        'types',
        Object.entries(byType)
          .map(([type, count]) => `${type} ${count}`)
          .join(', ') || null,
      ],
      [
        'schedules',
        schedules.total === 0
          ? null
          : `${schedules.total}, ${schedules.active} active${schedules.nextAt ? `, next at ${localTime(schedules.nextAt)}` : ''}`,
      ],
      ['mailbox', `${mailbox.messages} waiting (${bytes(mailbox.bytes)}), ${mailbox.parkedClaims} workers wait for a job`],
      [
        'journal',
        `${journal.messages} records, ${bytes(journal.bytes)}, of them ${bytes(journal.liveBytes)} current; last is ${answer.seq}`,
      ],
      ['requests', `${counters.asks} answered in ${counters.commits} commits with ${counters.changes} changes`],
      [
        'errors',
        Object.entries(counters.errors)
          .map(([code, count]) => `${code} ${count}`)
          .join(', ') || null,
      ],
      ['serving since', `${localTime(answer.startedAt)} (${relativeTime(answer.startedAt, Date.now())})`],
    ]);
    for (const line of lines) terminal.print(...line);
    return EXIT_CODES.ok.code;
  },
};
