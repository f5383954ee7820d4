import { chmod, link, open, stat, writeFile } from 'node:fs/promises';
import { describe, expect, it, type TestContext } from 'vitest';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { writeOldFile } from '../engines/trees.js';
import { getXattr, setXattr } from '../support/xattr.js';
import { WorkerBench } from './bench.js';

const NOTE = 'user.note';
const ACL = 'system.posix_acl_access';
const MEBI = 1024 * 1024;

/** Version 2; user::rw-, user:65534:r--, group::r--, mask::rw-, other::r--, as the kernel takes it. */
const ENTRIES = [[1, 6, 0xffffffff], [2, 4, 65534], [4, 4, 0xffffffff], [0x10, 6, 0xffffffff], [0x20, 4, 0xffffffff]] as const; // prettier-ignore
const ACL_HEX = Buffer.concat([
  Buffer.from([2, 0, 0, 0]),
  ...ENTRIES.map(([tag, rights, id]) => {
    const entry = Buffer.alloc(8);
    entry.writeUInt16LE(tag, 0);
    entry.writeUInt16LE(rights, 2);
    entry.writeUInt32LE(id, 4);
    return entry;
  }),
]).toString('hex');

/** `noted` has an extended attribute, `shared` an access control list; where the file system takes neither, the spec is skipped. */
async function benchWithAttributes(context: TestContext): Promise<WorkerBench> {
  const bench = await WorkerBench.start();
  for (const name of ['noted', 'shared', 'plain']) await writeOldFile(bench.at(`source/${name}`), name);
  const isSet = setXattr(bench.at('source/noted'), NOTE, 'cafe00') && setXattr(bench.at('source/shared'), ACL, ACL_HEX);
  context.skip(!isSet, 'the file system takes no attributes');
  return bench;
}

const inode = async (file: string) => (await stat(file)).ino;
const deleteSource = { mode: 'after_verify', confirmed: true } as const;

describe('options.metadata', () => {
  it('copies access control lists and extended attributes when it says so, and not otherwise', async (context) => {
    const bench = await benchWithAttributes(context);
    await bench.startWorker();
    const { id } = await bench.create({ options: { metadata: { acls: true, xattrs: true }, verify: 'checksum' } });
    await bench.reaches(id, 'completed');
    expect([getXattr(bench.at('copy/noted'), NOTE), getXattr(bench.at('copy/shared'), ACL)]).toEqual(['cafe00', ACL_HEX]);
    const without = await bench.create({ destination: bench.at('bare/') });
    await bench.reaches(without.id, 'completed');
    expect([getXattr(bench.at('bare/noted'), NOTE), getXattr(bench.at('bare/shared'), ACL)]).toEqual([null, null]);
  });

  it('keeps hard links and holes when it says so', async () => {
    const bench = await WorkerBench.start();
    await writeOldFile(bench.at('source/one'), 'one');
    await link(bench.at('source/one'), bench.at('source/other'));
    const file = await open(bench.at('source/holes'), 'w');
    await file.truncate(32 * MEBI);
    await file.write('end', 32 * MEBI - 3);
    await file.close();
    await bench.startWorker();
    const { id } = await bench.create({ options: { metadata: { hardLinks: true, sparse: true }, verify: 'checksum' } });
    await bench.reaches(id, 'completed');
    expect(await inode(bench.at('copy/one'))).toBe(await inode(bench.at('copy/other')));
    const copy = await stat(bench.at('copy/holes'));
    expect(copy.size).toBe(32 * MEBI);
    expect(copy.blocks * 512).toBeLessThan(MEBI);
    const without = await bench.create({ destination: bench.at('bare/') });
    await bench.reaches(without.id, 'completed');
    expect(await inode(bench.at('bare/one'))).not.toBe(await inode(bench.at('bare/other')));
  });

  it('of a move warns of what goes with the source because it is not copied, and is silent when it is', async (context) => {
    const bench = await benchWithAttributes(context);
    await writeOldFile(bench.at('source/sub/one'), 'one');
    await link(bench.at('source/sub/one'), bench.at('source/sub/two'));
    await bench.startWorker();
    const { id } = await bench.create({ options: { deleteSource } });
    expect((await bench.reaches(id, 'completed')).warnings).toEqual(
      expect.arrayContaining([
        'Files and folders whose access control lists are not in the copy: 1. options.metadata.acls copies them.',
        'Files and folders whose extended attributes are not in the copy: 1. options.metadata.xattrs copies them.',
        'Names that are hard links in the source, and files of their own in the copy: 1. options.metadata.hardLinks copies them.',
      ]),
    );
    expect((await bench.client.get(id)).deletion).toMatchObject({ filesDeleted: 5, filesKept: 0 });
    await writeOldFile(bench.at('next/noted'), 'noted');
    setXattr(bench.at('next/noted'), NOTE, 'cafe00');
    const next = await bench.create({
      source: bench.at('next/'),
      destination: bench.at('moved/'),
      options: { deleteSource, metadata: { xattrs: true } },
    });
    expect(await bench.reaches(next.id, 'completed')).toMatchObject({ warnings: [], deletion: { filesDeleted: 1 } });
    expect(getXattr(bench.at('moved/noted'), NOTE)).toBe('cafe00');
  });

  it('that this rsync was built without fails the job before anything is copied, and says so', async () => {
    const bench = await WorkerBench.start();
    await writeOldFile(bench.at('source/file'), 'content');
    const rsync = findTool('rsync');
    await writeFile(
      bench.at('rsync'),
      `#!/bin/sh\n[ "$1" = --version ] && exec printf 'rsync  version 3.2.7  protocol version 31\\nCapabilities:\\n    hardlinks, no ACLs, no xattrs\\n'\nexec '${rsync?.path}' "$@"\n`,
    );
    await chmod(bench.at('rsync'), 0o755);
    const findRsync = () => rsync && { ...rsync, path: bench.at('rsync') };
    await bench.startWorker(createRsyncEngine({ markers: bench.markers, findRsync }));
    const { id } = await bench.create({ options: { metadata: { acls: true } } });
    const { error } = await bench.reaches(id, 'failed');
    expect(error).toMatchObject({ code: 'metadata_not_supported', advice: expect.stringContaining('options.metadata.acls') as string });
    await expect(stat(bench.at('copy'))).rejects.toMatchObject({ code: 'ENOENT' });
    const links = await bench.create({ options: { deleteSource, metadata: { hardLinks: true } } });
    await bench.reaches(links.id, 'completed');
    expect(bench.lines.text).not.toMatch(/ -A| -X/);
  });
});
