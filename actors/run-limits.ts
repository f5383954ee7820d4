/** How many jobs may run at once: in all (0: no limit), to one disk, machine or remote (0: no limit), and of one label. */
export interface RunLimits {
  maxRunning: number;
  maxPerTarget: number;
  labels: readonly LabelLimit[];
}

/** `value` null: for each value of the label. */
export interface LabelLimit {
  key: string;
  value: string | null;
  max: number;
}

/** How many jobs with this label may run; `null`: no limit. One for the value itself comes before one for any. */
export function limitOf({ labels }: RunLimits, key: string, value: string): number | null {
  const own = labels.find((limit) => limit.key === key && limit.value === value);
  return (own ?? labels.find((limit) => limit.key === key && limit.value === null))?.max ?? null;
}

/** Reads `disk=2,host:nas=1`; `null` when it is not of that form. */
export function parseLabelLimits(text: string): LabelLimit[] | null {
  const limits = text
    .split(',')
    .filter(Boolean)
    .map((part) => {
      const { key, value, max } = /^(?<key>[^:=\s]+)(?::(?<value>.+))?=(?<max>[1-9]\d{0,8})$/.exec(part.trim())?.groups ?? {};
      return key === undefined ? null : { key, value: value ?? null, max: Number(max) };
    });
  return limits.every((limit) => limit !== null) ? limits : null;
}
