/** Quantities as people write and read them: counts, and lengths of time such as `500ms`, `30s`, `14m`, `2h`, `3d`. */

/** Milliseconds. */
const units = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
/** Milliseconds. */
export const { d: day, h: hour, m: minute } = units;

/**
 * Writes how long ago something was, in its largest unit and no smaller than seconds; `0s` for what is yet to come.
 * @param at and `now`: milliseconds since 1970
 */
export function ago(at: number, now: number): string {
  const passed = Math.max(now - at, 0);
  const unit = (['d', 'h', 'm'] as const).find((name) => passed >= units[name]) ?? 's';
  return `${Math.floor(passed / units[unit])}${unit}`;
}

/** Reads a length of time; nought needs no unit. @returns milliseconds, whole ones; undefined if the text is none */
export function parseDuration(text: string): number | undefined {
  const [, value, unit] = /^(\d+(?:\.\d+)?)(ms|[smhd])$/.exec(text === '0' ? '0s' : text) ?? [];
  return value === undefined ? undefined : Math.round(Number(value) * units[unit as keyof typeof units]);
}

/** Writes how many there are: `1 address`, `2 addresses`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
