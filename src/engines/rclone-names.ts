import { lstat } from 'node:fs/promises';

/** What rclone hangs on the name of a symbolic link that it copies as one. */
export const LINK_SUFFIX = '.rclonelink';

const fromLatin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/**
 * rclone writes a control character as its picture (U+2400 and on), and a picture
 * that is one in the name with U+201B before it. Names are carried byte by byte (latin1), since they may be no UTF-8.
 */
export const realName = (name: string): string =>
  name.replace(
    /\xe2\x80\x9b(\xe2\x90[\x80-\xa1]|\xe2\x80\x9b)|\xe2\x90([\x80-\x9f\xa1])/g,
    (_, literal?: string, picture: string = '') =>
      literal ?? (picture === '\xa1' ? '\x7f' : String.fromCharCode(picture.charCodeAt(0) - 0x80)),
  );

/** The same name as rclone calls it. */
export const rcloneName = (real: string): string =>
  real
    .replace(/\xe2\x90[\x80-\x9f\xa1]|\xe2\x80\x9b/g, '\xe2\x80\x9b$&')
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    .replace(/[\x00-\x1f\x7f]/g, (char) => `\xe2\x90${char === '\x7f' ? '\xa1' : String.fromCharCode(char.charCodeAt(0) + 0x80)}`);

/** A list for `--files-from-raw -`. */
export const listOf = (names: readonly string[]): Buffer => fromLatin1(names.map((name) => `${name}\n`).join(''));

/**
 * Finds the files of one folder by what rclone calls them. Its log is JSON, where
 * each byte that is no UTF-8 has become U+FFFD: such a name is looked for in the
 * list of the folder. A link on this machine has no suffix on the disk.
 */
export class RcloneNames {
  /** The folder when it is on this machine, else null. */
  readonly #folder: string | null;
  readonly #list: () => Promise<string[]>;
  #byText: Promise<Map<string, string[]>> | null = null;

  /** `list` answers every file of the folder as rclone calls it, byte by byte. */
  constructor(folder: string | null, list: () => Promise<string[]>) {
    this.#folder = folder;
    this.#list = list;
  }

  /** What rclone calls the files that its log names so, byte by byte. A text that fits several names stands for all of them. */
  async ofTexts(texts: Iterable<string>): Promise<string[]> {
    const names: string[] = [];
    for (const text of new Set(texts)) {
      if (text.includes('\ufffd')) names.push(...((await this.#table()).get(text) ?? [Buffer.from(text).toString('latin1')]));
      else names.push(Buffer.from(text).toString('latin1'));
    }
    return names;
  }

  /** The path on the disk, byte by byte. */
  async onDisk(name: string): Promise<string> {
    return (await this.#isLink(name)) ? realName(name.slice(0, -LINK_SUFFIX.length)) : realName(name);
  }

  /** What rclone calls the file that has this path, which may be a link. Of a link both names: its list is compared without the suffix, its files are with it. */
  async ofDisk(path: string): Promise<string[]> {
    const name = rcloneName(path);
    return (await this.#isLink(name + LINK_SUFFIX)) ? [name + LINK_SUFFIX, name] : [name];
  }

  async #isLink(name: string): Promise<boolean> {
    if (this.#folder === null || !name.endsWith(LINK_SUFFIX)) return false;
    const at = Buffer.concat([Buffer.from(`${this.#folder}/`), fromLatin1(realName(name.slice(0, -LINK_SUFFIX.length)))]);
    return (await lstat(at).catch(() => null))?.isSymbolicLink() ?? false;
  }

  #table(): Promise<Map<string, string[]>> {
    this.#byText ??= this.#list().then((names) => {
      const table = new Map<string, string[]>();
      for (const name of names) {
        const text = textOf(name);
        if (text.includes('\ufffd')) table.set(text, [...(table.get(text) ?? []), name]);
      }
      return table;
    });
    return this.#byText;
  }
}

/** As it stands in rclone's JSON: each wrong byte is one U+FFFD. */
function textOf(name: string): string {
  const bytes = fromLatin1(name);
  const text = bytes.toString('utf8');
  if (Buffer.from(text).equals(bytes)) return text;
  // Node joins the bytes of a cut-off character into one U+FFFD, Go makes one of each.
  return name.replace(/[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]/g, (part) => {
    const char = fromLatin1(part).toString('utf8');
    return Buffer.from(char).toString('latin1') === part ? char : '\ufffd'.repeat(part.length);
  });
}
