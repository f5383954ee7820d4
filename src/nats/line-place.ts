/**
 * Where a line stands in a stream whose messages hold several: the message's
 * sequence times 1000 plus the line's place in it.
 */
const STRIDE = 1000;
export const LINES_PER_MESSAGE = STRIDE - 1;

export const placeOf = (messageSeq: number, index: number): number => messageSeq * STRIDE + index;

/** The sequence of the message that holds the line at `place`. */
export const messageOf = (place: number): number => Math.floor(place / STRIDE);
