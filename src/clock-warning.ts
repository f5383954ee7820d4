import type { Answers } from './answers.js';

/** Below this it is only a clock that is being adjusted. */
const TOLERATED_MS = 1000;

export interface Warning {
  message: string;
  advice: string;
}

/** What is to be said of the manager's clock; `null` when it is in order. */
export function clockWarning({ clock: { behindMs, timesHeld } }: Answers['stats']): Warning | null {
  if (behindMs < TOLERATED_MS) return null;
  const effect = timesHeld
    ? 'Until it has caught up, times stand still: retries, schedules and deadlines wait so long.'
    : 'New changes get earlier times than older ones.';
  return {
    message: `The clock of the job manager stands ${Math.round(behindMs / 1000)} s behind the newest change in the journal. ${effect}`,
    advice:
      'Set the clock right (see "timedatectl" or "chronyc tracking"). If it is right now and was ahead before, restart the manager: it goes on with the clock as it is.',
  };
}
