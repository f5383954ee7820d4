import type { RequestBody } from '../../job-client.js';
import { usageError, type Args } from '../args.js';
import type { Option } from '../command.js';

/** The flags that say when a job may run, and how long. */
export const TIME_OPTIONS: readonly Option[] = [
  { name: 'deadline', value: 'TIME', describe: 'fail if it has not completed by then: 2030-01-31T22:00:00Z' },
  { name: 'attempt-timeout', value: 'SECONDS', describe: 'stop an attempt that takes longer, and try again' },
  { name: 'hours', value: 'FROM-TO', describe: 'run only then: 22:00-06:00; it is stopped at their end and goes on the next time' },
  { name: 'time-zone', value: 'ZONE', describe: 'time zone of --hours, as Europe/Berlin (default: that of this machine)' },
  { name: 'days', value: 'DAYS', describe: 'days on which --hours begin: mon,tue,wed,thu,fri,sat,sun (default all)' },
];

type Hours = NonNullable<NonNullable<RequestBody<'create'>['options']>['hours']>;

export function timeOptions(args: Args) {
  const deadlineAt = args.text('deadline');
  const attemptTimeoutSeconds = args.whole('attempt-timeout');
  const hours = hoursOf(args);
  return {
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
    ...(attemptTimeoutSeconds === undefined ? {} : { attemptTimeoutSeconds }),
    ...(hours === null ? {} : { hours }),
  };
}

function hoursOf(args: Args): Hours | null {
  const text = args.text('hours');
  if (text === undefined) {
    if (args.flag('time-zone') || args.flag('days')) throw usageError('--time-zone and --days go with --hours.');
    return null;
  }
  const [from, to, ...more] = text.split('-');
  if (from === undefined || to === undefined || more.length > 0)
    throw usageError(`--hours is ${JSON.stringify(text)}: give two times, as 22:00-06:00.`);
  const days = args.words('days') as NonNullable<Hours['days']>;
  const timeZone = args.text('time-zone') ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return { from, to, timeZone, ...(days.length === 0 ? {} : { days }) };
}
