/** Manual pages in mdoc(7). */

/**
 * Converts Markdown to mdoc: escapes the text, drops the markup of `code` and links, and starts each sentence on a line
 * of its own, as mdoc wants.
 */
export function text(markdown: string): string {
  const plain = markdown
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('`', '')
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/([.!?]) (?=[A-Z])/g, '$1\n');
  return plain.replaceAll(/^(?=[.'])/gm, '\\&');
}

/** Formats an argument of a macro, quoted since it may contain the name of another macro. */
export function argument(word: string): string {
  return `"${text(word).replaceAll('"', '\\(dq')}"`;
}

export function section(title: string, ...lines: readonly string[]): string {
  return [`.Sh ${title.toUpperCase()}`, ...lines].join('\n');
}

/** Formats a list of terms with their meanings. */
export function definitions(entries: readonly (readonly [string, string])[]): string {
  const items = entries.map(([term, meaning]) => `.It Sy ${argument(term)}\n${text(meaning)}`);
  return ['.Bl -tag -width Ds', ...items, '.El'].join('\n');
}

/** Formats commands, each with what it does. */
export function examples(lines: readonly (readonly [string, string])[]): string {
  return lines
    .map(([line, meaning]) => `${text(meaning)}:\n.Bd -literal -offset indent\n${text(line)}\n.Ed\n.Pp`)
    .join('\n')
    .replace(/\n\.Pp$/, '');
}

/**
 * Makes a page of section 8.
 * @param page `date`: mdoc wants one; the release's, so that equal sources give equal bytes
 */
export function manualPage(page: {
  readonly name: string;
  readonly summary: string;
  readonly date: string;
  readonly synopsis: readonly string[];
  readonly sections: readonly string[];
}): string {
  const { name, summary, date, synopsis, sections } = page;
  const head = [`.Dd ${date}`, `.Dt ${name.toUpperCase()} 8`, '.Os infoblox\\-cni', '.Sh NAME', `.Nm ${name}`];
  return `${[...head, `.Nd ${text(summary)}`, '.Sh SYNOPSIS', ...synopsis, ...sections].join('\n')}\n`;
}
