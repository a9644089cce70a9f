/** README.md and docs/*.md as data: headings, links, tables, and fenced blocks with the comment right before them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const project = join(import.meta.dirname, '../..');

/** All pages for people, relative to the project. */
export const pages: readonly string[] = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(join(project, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export interface Block {
  readonly page: string;
  /** Line number of its first line of text. */
  readonly line: number;
  readonly language: string;
  /** The heading that it stands under. */
  readonly heading: string;
  readonly text: string;
  /** What stands in an HTML comment on the line before it. */
  readonly comment?: string;
}

/** The text of a page. @param page relative to the project */
export function read(page: string): string {
  return readFileSync(join(project, page), 'utf8');
}

/** The fenced blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  const lines = read(page).split('\n');
  const blocks: Block[] = [];
  let heading = '';
  for (let index = 0; index < lines.length; index += 1) {
    const [, indent = '', language] = /^( *)```(\w*)$/.exec(lines[index] ?? '') ?? [];
    heading = /^#+ (.+)$/.exec(lines[index] ?? '')?.[1] ?? heading;
    if (language === undefined) continue;
    const comment = /^ *<!-- (.*) -->$/.exec(lines[index - 1] ?? '')?.[1];
    const end = lines.findIndex((line, at) => at > index && line === `${indent}\`\`\``);
    const text = lines.slice(index + 1, end).map((line) => line.slice(indent.length));
    blocks.push({
      page,
      line: index + 2,
      language,
      heading,
      text: text.join('\n'),
      ...(comment === undefined ? {} : { comment }),
    });
    index = end;
  }
  return blocks;
}

/** A page without its fenced blocks. */
export function proseOf(page: string): string {
  return read(page).replace(/^ *```\w*\n[\s\S]*?^ *```$/gm, '');
}

/** Anchors that a page's headings make, as the usual hosting makes them. */
export function anchorsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The rows of the first table after a heading, as cells; without its head. */
export function tableAfter(page: string, heading: string): string[][] {
  const text = read(page);
  const at = text.indexOf(`\n${heading}\n`);
  if (at < 0) throw new Error(`${page} has no heading "${heading}"`);
  const table = /(?:^\|.*\n)+/m.exec(text.slice(at))?.[0] ?? '';
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** What stands in backquotes in a cell of a table. */
export function quoted(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
}
