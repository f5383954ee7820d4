// "npm test": sets up what is missing, then checks the sources and runs the specs. Arguments go to vitest.
import { prepare, run, say } from './prepare.mjs';

try {
  await prepare();
  const { provideBrowser, provideSshd } = await import('./programs.mjs');
  provideBrowser();
  provideSshd();
  try {
    run('npm', ['run', '--silent', 'check']);
  } finally {
    // In any case: its last line counts what passed and what failed.
    run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]);
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
