import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';

/** The last word of a run, for machines that read it. */
const count: Reporter = {
  onTestRunEnd(modules, errors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const passed = tests.filter((test) => test.result().state === 'passed').length;
    const failed = tests.filter((test) => test.result().state === 'failed').length;
    const brokenFiles = modules.filter((module) => module.errors().length > 0).length;
    process.on('exit', () => console.log(`${passed} passed, ${failed + brokenFiles + errors.length} failed`));
  },
};

export default defineConfig({
  test: {
    include: ['specs/**/*.spec.ts'],
    reporters: ['default', count],
    pool: 'forks',
    // Many specs wait for programs, leases and limits: one more than there are processors on a small machine.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
  },
});
