import type { Command } from './command.js';
import { bandwidth } from './commands/bandwidth.js';
import { cleanup } from './commands/cleanup.js';
import { completionFor } from './commands/completion.js';
import { copy } from './commands/copy.js';
import { create } from './commands/create.js';
import { doctor } from './commands/doctor.js';
import { files } from './commands/files.js';
import { helpFor } from './commands/help.js';
import { history } from './commands/history.js';
import { list } from './commands/list.js';
import { logs } from './commands/logs.js';
import { manifest } from './commands/manifest.js';
import { move } from './commands/move.js';
import { duplicate, reorder } from './commands/queue.js';
import { ROLES } from './commands/roles.js';
import { schedule } from './commands/schedule.js';
import { show } from './commands/show.js';
import { stats } from './commands/stats.js';
import { STEERING } from './commands/steer.js';
import { verify } from './commands/verify.js';
import { watch } from './commands/watch.js';

/** Every command. Help, completion and the docs are made from this table. */
export const COMMANDS: readonly Command[] = [
  ...ROLES,
  copy,
  move,
  verify,
  create,
  duplicate,
  schedule,
  list,
  show,
  watch,
  logs,
  files,
  history,
  manifest,
  stats,
  ...STEERING,
  reorder,
  bandwidth,
  cleanup,
  doctor,
  completionFor(() => COMMANDS),
  helpFor(() => COMMANDS),
];
