import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';
import { commandSequences } from './model/commands.js';
import { newModel } from './model/model.js';

const USUAL_MS = 20_000;

let service: TestService;
let frontEnds: FrontEnd[];
beforeAll(async () => {
  service = await startTestService();
  frontEnds = await Promise.all(FRONT_ENDS.map((way) => openFrontEnd(service, way)));
});
afterAll(async () => {
  for (const frontEnd of frontEnds) await frontEnd.close();
  await service.stop();
});

test('whatever is asked, in whatever order, by whatever way, and restarted between: the service is a plain map of jobs', async () => {
  let runs = 0;
  const setup = () => ({
    model: newModel(),
    real: { type: `model-${(runs += 1)}`, frontEnds, restartManager: () => service.restartManager() },
  });
  // None is begun later: the limit of fast-check would leave the one that runs to itself.
  const untilMs = performance.now() + USUAL_MS;
  await fc.assert(
    fc.asyncProperty(commandSequences, async (commands) => {
      if (performance.now() < untilMs) await fc.asyncModelRun(setup, commands);
    }),
    { numRuns: 40 },
  );
});
