/** Counts, and durations such as `500ms`, `30s`, `14m`, `2h`, `3d`, parsed and formatted. */

/** Milliseconds. */
const units = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
/** Milliseconds. */
export const { d: day, h: hour, m: minute } = units;

/**
 * Formats how long ago something was, in its largest unit down to seconds; `0s` for the future.
 * @param at and `now`: milliseconds since 1970
 */
export function ago(at: number, now: number): string {
  const passed = Math.max(now - at, 0);
  const unit = (['d', 'h', 'm'] as const).find((name) => passed >= units[name]) ?? 's';
  return `${Math.floor(passed / units[unit])}${unit}`;
}

/**
 * Parses a duration; 0 needs no unit.
 * @returns whole milliseconds; undefined if the text is not a duration
 */
export function parseDuration(text: string): number | undefined {
  const [, value, unit] = /^(\d+(?:\.\d+)?)(ms|[smhd])$/.exec(text === '0' ? '0s' : text) ?? [];
  return value === undefined ? undefined : Math.round(Number(value) * units[unit as keyof typeof units]);
}

/** Formats a count: `1 address`, `2 addresses`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
