/** Pages in the language of manual pages, mdoc(7). */

/** Escapes a text, writes `code` and links of Markdown as text, and begins each sentence on a line of its own, as mdoc wants. */
export function text(markdown: string): string {
  const plain = markdown
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('`', '')
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/([.!?]) (?=[A-Z])/g, '$1\n');
  return plain.replaceAll(/^(?=[.'])/gm, '\\&');
}

/** An argument of a macro: quoted, since it may hold the name of another macro. */
export function argument(word: string): string {
  return `"${text(word).replaceAll('"', '\\(dq')}"`;
}

export function section(title: string, ...lines: readonly string[]): string {
  return [`.Sh ${title.toUpperCase()}`, ...lines].join('\n');
}

/** A list of terms, each with what it means. */
export function definitions(entries: readonly (readonly [string, string])[]): string {
  const items = entries.map(([term, meaning]) => `.It Sy ${argument(term)}\n${text(meaning)}`);
  return ['.Bl -tag -width Ds', ...items, '.El'].join('\n');
}

/** Commands as they are typed, each with what it does. */
export function examples(lines: readonly (readonly [string, string])[]): string {
  return lines
    .map(([line, meaning]) => `${text(meaning)}:\n.Bd -literal -offset indent\n${text(line)}\n.Ed\n.Pp`)
    .join('\n')
    .replace(/\n\.Pp$/, '');
}

/**
 * Makes a page of the manual's section 8.
 * @param page `date`: mdoc wants one; that of the release, so that equal sources give equal bytes
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
