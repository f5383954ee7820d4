import { notice, say } from './announcer.js';
import { BandwidthForm } from './bandwidth-form.js';
import { CopyForm } from './copy-form.js';
import { byId, setHidden, setText } from './dom.js';
import { Filter } from './filter.js';
import { visible } from './format.js';
import { JobList } from './job-list.js';
import { Panel } from './panel.js';
import { Rows } from './rows.js';
import { Rpc, messageOf } from './rpc.js';
import { ScheduleForm } from './schedule-form.js';
import { SchedulesView } from './schedules-view.js';
import { COMMANDS, news } from './words.js';

/** The page: one connection, one list of jobs, and what is shown of it. */

/** @typedef {import('../../actors/job.js').Job} Job */

const WATCH_AGAIN_MS = 2000;

const list = new JobList();
/** A job that was just made: its panel opens as soon as the list has it. @type {string | null} */
let toOpen = null;
const rpc = new Rpc({ onOpen: watch, onLost, onNotification });
const filter = new Filter(() => {
  rows.startOver();
  showSoon();
});
const rows = new Rows({ open, run, onMore: showSoon });
const schedules = new SchedulesView(rpc, openSoon);
const scheduleForm = new ScheduleForm(rpc, () => schedules.open());
const panel = new Panel(rpc, { run, onClose: closed, onSchedule: (job) => scheduleForm.open(job) });
new CopyForm(rpc, openSoon);
new BandwidthForm(rpc);
byId('connect-now').addEventListener('click', () => rpc.connectNow());

// What comes in.

async function watch() {
  try {
    const answer = await rpc.ask('jobs.watch', list.seq === undefined ? {} : { since: list.seq });
    if (list.seq === undefined || answer.reset) list.reset(answer);
    else takeChanges(answer);
    showConnection('live', 'Live');
    showSoon();
  } catch (error) {
    // A connection that broke brings a watch of its own when it is back.
    if (!rpc.isOpen) return;
    showConnection('lost', `What you see may be old: ${messageOf(error)}`);
    setTimeout(watch, WATCH_AGAIN_MS);
  }
}

/** @param {boolean} isSignedOut */
function onLost(isSignedOut) {
  if (isSignedOut) showConnection('lost', 'Signed out: open the address that the service printed at its start.');
  else showConnection('lost', 'Not connected: what you see may be old. Trying again…');
}

/** @param {string} method @param {any} params */
function onNotification(method, params) {
  if (method === 'jobs.reset') list.reset(params);
  else if (method === 'jobs.changed') takeChanges(params);
  else return;
  showSoon();
}

/** @param {{ seq: number, jobs: Job[], deleted?: string[] }} event */
function takeChanges(event) {
  for (const job of list.change(event)) say(news(job));
}

// What is asked for.

/** @param {string} name of the command @param {Job} job */
async function run(name, job) {
  const { verb = name, fields } = COMMANDS[name] ?? {};
  try {
    const answer = await rpc.ask(`jobs.${verb}`, { id: job.id, ...fields?.(job) });
    if ('id' in answer && answer.id !== job.id) openSoon(answer);
  } catch (error) {
    notice(`${visible(job.name)}: ${messageOf(error)}`);
  }
}

/** A job that was just made. @param {Job} job */
function openSoon(job) {
  say(`${visible(job.name)} is made`);
  toOpen = job.id;
  showSoon();
}

/** @param {string} id */
function open(id) {
  const job = list.get(id);
  if (!job) return;
  if (panel.id !== null) rows.mark(panel.id, false);
  panel.open(job);
  rows.mark(id, true);
  rows.reveal(id);
}

/** @param {string} id */
function closed(id) {
  rows.mark(id, false);
  rows.focus(id);
}

// What is shown.

let isShowWaiting = false;

/** Shows the list with the next picture: a hundred changes before it are one. */
function showSoon() {
  if (isShowWaiting) return;
  isShowWaiting = true;
  // A page in the background draws no pictures, but its title shall be right.
  if (document.hidden) setTimeout(show, 1000);
  else requestAnimationFrame(show);
}

function show() {
  isShowWaiting = false;
  const { jobs, counts } = list.select(filter.value);
  rows.show(jobs);
  filter.showCounts(counts);
  const isKnown = list.seq !== undefined;
  setHidden(byId('empty'), !isKnown || list.size > 0);
  setHidden(byId('no-match'), !isKnown || list.size === 0 || jobs.length > 0);
  setHidden(byId('not-all'), list.isWhole);
  showPanel();
  const running = list.countOf('running');
  document.title = running > 0 ? `${running} running · Tallyman` : 'Tallyman';
}

function showPanel() {
  if (toOpen !== null && list.get(toOpen)) {
    open(toOpen);
    toOpen = null;
  }
  if (panel.id === null) return;
  const job = list.get(panel.id);
  if (!job) return panel.close();
  panel.update(job);
  rows.mark(job.id, true);
}

/** @param {'live' | 'lost'} state @param {string} text */
function showConnection(state, text) {
  byId('connection').dataset['state'] = state;
  setText(byId('connection-text'), text);
  setHidden(byId('connect-now'), rpc.isOpen);
}
