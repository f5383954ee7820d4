import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findTool } from '../../src/tools.js';

/** What one look costs that makes a file, and one that gives it its name: as a network mount does, or a disk that has to move. */
export const SLOW_MS = 1;

const LIBRARY = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#define SLOWLY(type, name, takes, gives) \\
  usleep(${SLOW_MS * 1000}); return ((type (*) takes)dlsym(RTLD_NEXT, name)) gives;
int mkstemp(char *t) { SLOWLY(int, "mkstemp", (char *), (t)) }
int mkstemp64(char *t) { SLOWLY(int, "mkstemp64", (char *), (t)) }
int rename(const char *a, const char *b) { SLOWLY(int, "rename", (const char *, const char *), (a, b)) }
int renameat(int d, const char *a, int e, const char *b) { SLOWLY(int, "renameat", (int, const char *, int, const char *), (d, a, e, b)) }
#define OPENAT(name) \\
  int name(int d, const char *p, int flags, ...) { \\
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \\
    if (flags & O_EXCL) usleep(${SLOW_MS * 1000}); \\
    return ((int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name))(d, p, flags, mode); \\
  }
OPENAT(openat)
OPENAT(openat64)
`;

/**
 * An rsync to which every disk is slow, in a folder for PATH; null where there is no C compiler to make it. A real slow
 * disk or mount would be better, and is on few machines: this one waits where they do, in the calls that make a file.
 */
export function makeSlowRsync(folder: string): string | null {
  const rsync = findTool('rsync');
  const [source, library, program] = ['slow.c', 'slow.so', 'rsync'].map((name) => path.join(folder, name)) as [string, string, string];
  mkdirSync(folder);
  writeFileSync(source, LIBRARY);
  if (!rsync || spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl']).status !== 0) return null;
  writeFileSync(program, `#!/bin/sh\nLD_PRELOAD='${library}' exec '${rsync.path}' "$@"\n`);
  chmodSync(program, 0o755);
  return folder;
}
