import { expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { cleanupTimer } from '../../actors/cleanup-timer.js';
import { settle } from '../support/simulated-manager.js';

function start(answers: (boolean | Error)[]) {
  const clock = new SimulatedClock();
  const said: string[] = [];
  let asked = 0;
  const cleanup = () => {
    asked += 1;
    const answer = answers.shift() ?? false;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const timer = createActor(cleanupTimer, { clock, input: { everyMs: 1000, cleanup, log: (message) => said.push(message) } });
  timer.start();
  const turn = async (ms: number) => {
    clock.increment(ms);
    await settle();
    return asked;
  };
  return { turn, said, stop: () => timer.stop() };
}

test('cleanup is asked for once a period, and not before the first has passed', async () => {
  const { turn, stop } = start([]);
  expect([await turn(0), await turn(999), await turn(1), await turn(999), await turn(1)]).toEqual([0, 0, 1, 1, 2]);
  stop();
  expect(await turn(10_000)).toBe(2);
});

test('while more remains it is asked for again at once', async () => {
  const { turn } = start([true, true, false]);
  expect([await turn(1000), await turn(999), await turn(1)]).toEqual([3, 3, 4]);
});

test('a refusal is told, and waited out', async () => {
  const { turn, said } = start([new Error('the journal is full'), false]);
  expect([await turn(1000), await turn(999), await turn(1)]).toEqual([1, 1, 2]);
  expect(said).toEqual([expect.stringContaining('the journal is full')]);
});
