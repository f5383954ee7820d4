/** A path of bytes (latin1) as text: UTF-8 where it is, a byte that is none as `\xff`. */
export function showPath(bytes: string): string {
  const buffer = Buffer.from(bytes, 'latin1');
  const text = buffer.toString('utf8');
  if (Buffer.from(text).equals(buffer)) return text;
  return bytes.replace(/[\x80-\xff]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
}
