/** Writes how many there are: `1 address`, `2 addresses`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
