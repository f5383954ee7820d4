/** What ids are made of, in their order. */
const DIGITS = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

/**
 * A text between two others in the order of texts, `low` < answer < `high`: ids
 * and earlier answers, so that a job can be put between two without touching
 * them. An empty `low` is less than everything.
 */
export function rankBetween(low: string, high: string): string {
  let rank = '';
  for (let at = 0; ; at += 1) {
    const least = at < low.length ? DIGITS.indexOf(low.charAt(at)) : 0;
    const most: number = at >= high.length ? DIGITS.length : DIGITS.indexOf(high.charAt(at));
    if (most - least > 1) return rank + DIGITS.charAt(Math.floor((least + most) / 2));
    rank += DIGITS.charAt(least);
  }
}
