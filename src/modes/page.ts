/**
 * The status page: a host at a glance, in one self-contained file. The daemon serves it at the address of its metrics;
 * `status --html` writes it.
 */
import { createHash } from 'node:crypto';
import type { LeaseRecord, Status } from './operator-protocol.ts';
import { type Column, headline, leaseColumns, type Writer, writeStatus } from './status-text.ts';
import { printable } from './terminal-text.ts';

interface PageSource {
  readonly status: Status;
  /** In the order of the page. */
  readonly leases: readonly LeaseRecord[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Markup, to be inserted unescaped. */
interface Markup {
  readonly text: string;
}

/** Characters that fit into a cell. */
const roomy = 24;

/** Searches the table of leases: each word must occur somewhere in a row. */
const script = `
const search = document.getElementById('search');
const rows = [...document.querySelectorAll('#leases tbody tr')].map((row) => ({ row, text: row.textContent.toLowerCase() }));
search.addEventListener('input', () => {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const { row, text } of rows) {
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) shown += 1;
  }
  document.getElementById('shown').value = shown;
});
`;

const style = `
:root { color-scheme: light dark; --ground: light-dark(#fff, #15181e); --line: light-dark(#d5d9e0, #3a3f4a); --soft: light-dark(#5b6472, #9aa4b2); }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; background: var(--ground); color: light-dark(#1c2128, #e4e8ee); }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem 1.2rem; padding: 1rem 1.5rem; color: #fff; }
header.well { background: #1a7f4b; }
header.trouble { background: #b3261e; }
header p { margin: 0; }
h1 { margin: 0; font-size: 1.4rem; }
h2 { margin: 1.6rem 0 .5rem; font-size: 1.05rem; }
main { padding: .5rem 1.5rem 2rem; max-width: 80rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1rem 0; }
dt { color: var(--soft); text-transform: capitalize; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; font-size: .85em; color: var(--soft); position: sticky; top: 0; background: var(--ground); }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; unicode-bidi: isolate; }
.number { text-align: right; padding-right: 1.4rem; font-variant-numeric: tabular-nums; }
.long { max-width: 14rem; overflow: hidden; text-overflow: ellipsis; }
li { margin: .4rem 0; }
input { font: inherit; padding: .2rem .5rem; width: 20rem; max-width: 60vw; }
section { overflow: auto; max-height: 85vh; }
@media print { section { max-height: none; } .long { max-width: none; white-space: normal; overflow-wrap: anywhere; } }
`;

/** The browser runs this script and style only, whatever text a grid or a runtime has put into the page. */
const policy = `default-src 'none'; script-src '${hashOf(script)}'; style-src '${hashOf(style)}'`;

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** Renders the page as a complete HTML document. */
export function renderPage({ status, leases, now }: PageSource): string {
  const isWell = status.conditions.length === 0;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${status.node}: ${isWell ? 'well' : 'not well'} - infoblox-cni</title>
<style>${{ text: style }}</style>
</head>
<body>
<header class="${isWell ? 'well' : 'trouble'}">
<h1>${status.node}</h1>
<p>${headline(status)}, as of <time>${new Date(now).toISOString()}</time></p>
</header>
<main>
${writeStatus(status, now, markup)}
<section id="leases"><h2>Leases</h2>
<p><label>Search <input type="search" id="search" autocomplete="off"></label> <output id="shown">${leases.length}</output> of ${leases.length}</p>
${table(leaseColumns(now, leases), leases)}</section>
</main>
<script>${{ text: script }}</script>
</body>
</html>
`;
  return page.text;
}

/** Writes the parts of a status as markup. */
const markup: Writer<Markup> = {
  facts: (facts) => html`<dl>${facts.map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl>`,
  list(title, items) {
    const lines = items.map(({ what, text, fix }) => {
      const remedy = fix === null ? html`` : html`<br><em>fix: ${fix}</em>`;
      return html`<li><strong>${what}</strong> ${text}${remedy}</li>`;
    });
    return html`<section><h2>${title}</h2><ul>${lines}</ul></section>`;
  },
  table: (title, columns, rows) => html`<section><h2>${title}</h2>${table(columns, rows)}</section>`,
};

function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Markup {
  const titles = columns.map(
    ({ title, align }) => html`<th class="${align === 'right' ? 'number' : ''}">${title}</th>`,
  );
  const lines = rows.map((row) => html`<tr>${columns.map((column) => cellOf(column, row))}</tr>\n`);
  return html`<table><thead><tr>${titles}</tr></thead>\n<tbody>${lines}</tbody></table>`;
}

/** Renders a cell; a tooltip shows text in full that is too long for the column. */
function cellOf<Row>({ cell, align }: Column<Row>, row: Row): Markup {
  const text = cell(row);
  if (align === 'right') return html`<td class="number">${text}</td>`;
  return text.length > roomy ? html`<td class="long" title="${text}">${text}</td>` : html`<td>${text}</td>`;
}

/**
 * Makes markup of a template. Inserted text is escaped, so that text from outside can neither become markup nor reorder
 * what is read. Inserted markup is not.
 */
function html(
  strings: TemplateStringsArray,
  ...parts: readonly (string | number | Markup | readonly Markup[])[]
): Markup {
  return { text: strings.reduce((text, string, at) => `${text}${textOf(parts[at - 1] ?? '')}${string}`) };
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function textOf(part: string | number | Markup | readonly Markup[]): string {
  if (typeof part === 'object') return 'text' in part ? part.text : part.map(({ text }) => text).join('');
  return printable(String(part)).replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}
