// "npm start": sets up what is missing, then is the service: no process stands between it and its signals.
import { built, prepare, say } from './prepare.mjs';

try {
  await prepare();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
const main = built('src/main.js');
process.argv.splice(1, 1, new URL(main).pathname, 'serve');
await import(main);
