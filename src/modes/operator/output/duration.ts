/** Lengths of time for people. */

const units = [
  { name: 'd', milliseconds: 86_400_000 },
  { name: 'h', milliseconds: 3_600_000 },
  { name: 'm', milliseconds: 60_000 },
  { name: 's', milliseconds: 1_000 },
] as const;

/** Writes a length of time in its largest unit: `3d`, `2h`, `14m`, `5s`. @param milliseconds below zero counts as none */
export function duration(milliseconds: number): string {
  const unit = units.find((candidate) => milliseconds >= candidate.milliseconds);
  return unit === undefined ? '0s' : `${Math.floor(milliseconds / unit.milliseconds)}${unit.name}`;
}

/** Writes how long ago something was. @param at milliseconds since 1970; null: not known */
export function age(at: number | null): string {
  return at === null ? '-' : duration(Date.now() - at);
}
