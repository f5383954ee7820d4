#!/usr/bin/env node
import { runCommandLine } from './cli/run.js';

// Whoever read our output has seen enough ("tallyman list | head").
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const exitCode = await runCommandLine(process.argv.slice(2), process.env);
// What is written must have left before the end, and nothing that still waits may hold it up.
process.stdout.write('', () => process.exit(exitCode));
