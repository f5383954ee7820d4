import { readConfig, type Config } from '../config.js';
import type { Args } from './args.js';
import { EXIT_CODES } from './exit-codes.js';
import { Service } from './service.js';
import { Terminal } from './terminal.js';

/** What a command is given to work with. */
export class Context {
  readonly env: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  readonly json: boolean;
  /** What Ctrl-C does; resolves with the exit code. A second Ctrl-C ends the program at once. */
  onInterrupt: () => Promise<number> = () => Promise.resolve(EXIT_CODES.interrupted.code);
  readonly #args: Args;
  #config: Config | null = null;
  #service: Service | null = null;

  constructor(args: Args, env: NodeJS.ProcessEnv) {
    this.#args = args;
    this.env = args.flag('no-color') ? { ...env, NO_COLOR: '1' } : env;
    this.terminal = new Terminal(this.env);
    this.json = args.flag('json');
  }

  /** The settings, flags over the environment. Throws `invalid_request` that names the wrong one. */
  get config(): Config {
    const flags = ['DATA', 'NATS_URL', 'PREFIX', 'ASK_TIMEOUT_MS'].map((name) => [name, this.#args.text(flagOf(name))] as const);
    this.#config ??= readConfig(
      this.env,
      Object.fromEntries(flags.filter((entry): entry is readonly [string, string] => entry[1] !== undefined)),
    );
    return this.#config;
  }

  get service(): Service {
    this.#service ??= new Service(this.config);
    return this.#service;
  }

  /** Talk for a person; a script that wants JSON gets none of it. */
  readonly say = (text: string): void => {
    if (!this.json) this.terminal.say(text);
  };

  /** An answer that is text by its nature: help, a script. */
  printText(text: string): void {
    if (this.json) this.terminal.json({ text });
    else this.terminal.printText(text);
  }

  async close(): Promise<void> {
    this.terminal.close();
    await this.#service?.close();
  }
}

/** The flag of a setting: `HTTP_PORT` is `--http-port`. */
export const flagOf = (setting: string): string => setting.toLowerCase().replaceAll('_', '-');
