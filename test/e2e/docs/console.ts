/** What a command on a page may print. */

/** The pattern of an output as a page shows it: `...` stands for whatever is left out, and any white space for any other. */
export function outputPattern(output: string): RegExp {
  const parts = output
    .trim()
    .split('...')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+'));
  return new RegExp(`^\\s*${parts.join('[\\s\\S]*?')}\\s*$`);
}
