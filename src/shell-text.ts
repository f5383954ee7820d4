/** An argument list as one line that a POSIX shell, bash or zsh reads as these very arguments. */
export const shellText = (args: readonly string[]): string => args.map(quoted).join(' ');

function quoted(arg: string): string {
  if (/^[\w@%+=:,./-]+$/.test(arg)) return arg;
  if (!/\p{C}/u.test(arg)) return `'${arg.replaceAll("'", `'\\''`)}'`;
  // Bytes that a terminal would act on are spelled out.
  return `$'${arg.replace(/[\p{C}'\\]/gu, escaped)}'`;
}

const escaped = (char: string): string => [...Buffer.from(char)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
