/** Lengths of time for people. */

const units = [
  { name: 'd', milliseconds: 86_400_000 },
  { name: 'h', milliseconds: 3_600_000 },
  { name: 'm', milliseconds: 60_000 },
  { name: 's', milliseconds: 1_000 },
] as const;

/**
 * Writes how long ago something was, in its largest unit: `3d`, `2h`, `14m`, `5s`; `0s` for what is yet to come.
 * @param at and `now`: milliseconds since 1970
 */
export function ago(at: number, now: number): string {
  const passed = now - at;
  const unit = units.find(({ milliseconds }) => passed >= milliseconds);
  return unit === undefined ? '0s' : `${Math.floor(passed / unit.milliseconds)}${unit.name}`;
}
