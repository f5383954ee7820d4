import { notice } from './announcer.js';
import { confirmed } from './confirm.js';
import { byId, make, setHidden, setText } from './dom.js';
import { moment, visible } from './format.js';
import { messageOf } from './rpc.js';

const AGAIN_MS = 10_000;
const SCHEDULES_SHOWN = 1000;

/**
 * @typedef {{ id: string, name: string, cron: string | null, timeZone: string, enabled: boolean, nextAt: string | null, lastAt: string | null,
 *   runs: number, lastSkip: { at: string, why: string } | null, job: Record<string, any> }} Schedule
 * @typedef {import('../../actors/job.js').Job} Job
 */

/** The dialog with all schedules and templates, read again while it is open. `onRun` is given the job of a run that was asked for. */
export class SchedulesView {
  #rpc;
  #dialog = /** @type {HTMLDialogElement} */ (byId('schedules'));
  #list = byId('schedule-list');
  #onRun;
  #timer = 0;

  /** @param {import('./rpc.js').Rpc} rpc @param {(job: Job) => void} onRun */
  constructor(rpc, onRun) {
    this.#rpc = rpc;
    this.#onRun = onRun;
    byId('open-schedules').addEventListener('click', () => this.open());
    byId('schedules-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => clearInterval(this.#timer));
  }

  open() {
    this.#dialog.showModal();
    this.#timer = setInterval(() => this.#read(), AGAIN_MS);
    void this.#read();
  }

  async #read() {
    try {
      const { schedules } = await this.#rpc.ask('jobs.schedule_list', { limit: SCHEDULES_SHOWN });
      this.#show(schedules);
      setText(byId('schedules-error'), '');
    } catch (error) {
      setText(byId('schedules-error'), `They cannot be read now: ${messageOf(error)}`);
    }
  }

  /** Keeps the keyboard where it is. @param {Schedule[]} schedules */
  #show(schedules) {
    const focused = document.activeElement?.getAttribute('aria-label');
    this.#list.replaceChildren(...schedules.map((schedule) => this.#item(schedule)));
    setHidden(byId('schedules-empty'), schedules.length > 0);
    const again = [...this.#list.querySelectorAll('button')].find((button) => button.getAttribute('aria-label') === focused);
    if (focused && again) again.focus();
  }

  /** @param {Schedule} schedule */
  #item(schedule) {
    const item = make('li');
    const buttons = make('div', '', 'actions');
    buttons.append(this.#button(schedule, 'Run now', () => this.#run(schedule)));
    if (schedule.cron !== null) {
      const word = schedule.enabled ? 'Pause' : 'Resume';
      buttons.append(this.#button(schedule, word, () => this.#ask('schedule_update', { id: schedule.id, enabled: !schedule.enabled })));
    }
    buttons.append(this.#button(schedule, 'Delete', () => this.#delete(schedule)));
    item.append(make('b', visible(schedule.name)), ...facts(schedule).map((text) => make('span', text, 'muted')), buttons);
    return item;
  }

  /** @param {Schedule} schedule @param {string} word @param {() => Promise<void>} act */
  #button({ name }, word, act) {
    const button = make('button', word, word === 'Delete' ? 'small quiet danger' : 'small');
    button.type = 'button';
    button.setAttribute('aria-label', `${word} ${visible(name)}`);
    button.addEventListener('click', () => void act());
    return button;
  }

  /** @param {Schedule} schedule */
  async #run({ id }) {
    const job = await this.#ask('schedule_run', { id, idempotencyKey: crypto.randomUUID() });
    if (!job) return;
    this.#dialog.close();
    this.#onRun(job);
  }

  /** @param {Schedule} schedule */
  async #delete({ id, name }) {
    const words = { title: 'Delete this schedule?', text: `${visible(name)}. Its jobs stay.`, no: 'Keep it', yes: 'Delete it' };
    if (await confirmed(words)) await this.#ask('schedule_delete', { id });
  }

  /** @param {string} verb @param {object} fields @returns {Promise<any>} */
  async #ask(verb, fields) {
    try {
      const answer = await this.#rpc.ask(`jobs.${verb}`, fields);
      await this.#read();
      return answer;
    } catch (error) {
      setText(byId('schedules-error'), messageOf(error));
      if (!this.#dialog.open) notice(messageOf(error));
      return null;
    }
  }
}

/** @param {Schedule} schedule */
function facts({ cron, timeZone, enabled, nextAt, lastAt, runs, lastSkip, job }) {
  const { source, destination } = job;
  return [
    source ? `${visible(String(source))} → ${visible(String(destination))}` : `type ${visible(String(job['type']))}`,
    cron === null ? 'A template: it runs when it is asked to.' : `${cron} (${timeZone})`,
    ...(cron === null ? [] : [enabled && nextAt ? `Next: ${moment(nextAt)}` : 'Paused']),
    ...(lastAt ? [`Last: ${moment(lastAt)}, run ${runs} times`] : []),
    ...(lastSkip ? [`Did not run at ${moment(lastSkip.at)}: ${visible(lastSkip.why)}`] : []),
  ];
}
