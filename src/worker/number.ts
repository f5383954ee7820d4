/** A number as the log shows it, with its thousands told apart. */
export const number = (value: number): string => value.toLocaleString('en');
