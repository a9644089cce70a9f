/** The table of docs/architecture.md, made from the rules: `node test/docs/plan-table.ts` writes it there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Rule, table } from '../../src/infoblox/lease/plan.ts';

const page = join(import.meta.dirname, '../../docs/architecture.md');
const begin = '<!-- plan: begin -->\n';
const end = '<!-- plan: end -->';

function row({ phase, seen, doubt, step, because }: Rule): string {
  const doubts = doubt.length === 4 ? 'any' : doubt.join(', ');
  return `| ${phase} | ${seen.join('; ')} | ${doubts} | **${step}** | ${because} |`;
}

/** The rules as a Markdown table. */
export function planTable(): string {
  const head = '| lease | the grid shows | in doubt | step | because |\n| --- | --- | --- | --- | --- |';
  return `${[head, ...table.map(row)].join('\n')}\n`;
}

/** What stands in the page between the marks. */
export function documentedTable(): string {
  const text = readFileSync(page, 'utf8');
  return text.slice(text.indexOf(begin) + begin.length, text.indexOf(end));
}

function write(): void {
  const text = readFileSync(page, 'utf8');
  writeFileSync(page, text.slice(0, text.indexOf(begin) + begin.length) + planTable() + text.slice(text.indexOf(end)));
}

if (import.meta.main) write();
