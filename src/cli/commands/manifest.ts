import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { filesBelow, join } from '../folder-files.js';
import { manifestLines, sha256Of } from '../../manifest.js';
import { absolutePath, requireSource } from '../paths.js';
import { showPath } from '../../show-path.js';

export const manifest: Command = {
  name: 'manifest',
  group: 'look',
  args: 'FOLDER',
  minArgs: 1,
  maxArgs: 1,
  completes: 'files',
  summary: 'write down the SHA-256 of every file, to prove a copy years later',
  details:
    'Reads the folder on this machine and needs no service. The form is that of sha256sum: "sha256sum --check" reads it as well as ' +
    '"tallyman verify MANIFEST FOLDER". Symbolic links are left out.',
  options: [],
  examples: [['tallyman manifest /mnt/archive/2026 > 2026.sha256', 'today; in ten years "tallyman verify 2026.sha256 /mnt/archive/2026"']],
  async run({ terminal, json }, args) {
    const folder = absolutePath(args.positionals[0] ?? '', process.cwd());
    requireSource(folder);
    const root = Buffer.from(folder);
    const files: { path: string; sha256: string }[] = [];
    for await (const name of filesBelow(root)) {
      const file = join(root, name);
      const sum = await sha256Of(createReadStream(file));
      if (json) files.push({ path: showPath(name.toString('latin1')), sha256: sum });
      else process.stdout.write(manifestLines({ sum, name }, await lstat(file)));
    }
    if (json) terminal.json({ files });
    return EXIT_CODES.ok.code;
  },
};
