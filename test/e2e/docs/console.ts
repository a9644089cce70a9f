/** The output that a page shows for a command. */

/** Makes the pattern of an output on a page: `...` matches any text, and white space any other white space. */
export function outputPattern(output: string): RegExp {
  const parts = output
    .trim()
    .split('...')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+'));
  return new RegExp(`^\\s*${parts.join('[\\s\\S]*?')}\\s*$`);
}
