/** Names are bytes: they may be no UTF-8. They are carried as buffers, or as latin1 text, a character for each byte. */
export const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

export const within = (folder: Buffer, name: Buffer): Buffer => Buffer.concat([folder, Buffer.from('/'), name]);
