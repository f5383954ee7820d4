import type { Tool } from '../tools.js';
import { EngineFailed, type Run } from './engine.js';

/** The program that was found, or a failure that says how to get it. */
export function requireTool(tool: Tool | null, name: string, advice: string): Tool {
  if (tool) return tool;
  throw new EngineFailed({ code: 'engine_missing', message: `${name} was not found.`, exitCode: null, retriable: false, advice });
}

/** Puts a command line into the job's log, as it could be typed. */
export function sayCommand(run: Run, tool: Tool, args: readonly string[]): void {
  run.log('info', 'worker', [tool.path, ...args].map((arg) => (/^[\w@%+=:,./|-]+$/.test(arg) ? arg : JSON.stringify(arg))).join(' '));
}
