/** HTML in which no text from outside can become markup, or reorder what is read. */
import { printable } from '../printable.ts';

/** Text that is markup already. */
export interface Markup {
  readonly text: string;
}

type Part = string | number | Markup | readonly Markup[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Makes markup of a template: what is put in is escaped, unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { text: strings.reduce((text, string, at) => `${text}${textOf(parts[at - 1] ?? '')}${string}`) };
}

/** Passes a text of our own on as markup: never one from outside. */
export function raw(text: string): Markup {
  return { text };
}

function textOf(part: Part): string {
  if (typeof part === 'object') return 'text' in part ? part.text : part.map(({ text }) => text).join('');
  return printable(String(part)).replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}
