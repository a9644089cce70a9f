/** The tables of docs/architecture.md, made from the rules for leases: `node test/unit/docs/plan-table.ts` writes them there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blockTable } from '../../../src/infoblox/lease/block/block-plan.ts';
import { causes, endings } from '../../../src/infoblox/lease/endings.ts';
import { table } from '../../../src/infoblox/lease/plan.ts';

const page = join(import.meta.dirname, '../../../docs/architecture.md');

type Name = 'plan' | 'endings' | 'blocks';

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

/** Lists values, or writes `any` if they are all that exist. */
function listed(values: readonly string[], all: number): string {
  return values.length === all ? 'any' : values.join(', ');
}

function decided(decision: string): string {
  return `**${decision === 'impossible' ? 'cannot be' : decision}**`;
}

/** Returns the rules as Markdown tables. */
export function ruleTables(): Record<Name, string> {
  const planRows = table.map(({ phase, seen, doubt = [], step, because }) => {
    const which = doubt.length === 0 ? 'any' : doubt.join(', ');
    return [phase, seen.length === 10 ? 'any' : seen.join('; '), which, decided(step), because];
  });
  const endingRows = endings.map(({ cause, phase, evidence, answer, because }) => {
    return [cause, listed(evidence, causes[cause].evidence.length), listed(phase, 4), decided(answer), because];
  });
  const blockRows = blockTable.map(({ phase, seen, doubt, inside, step, because }) => {
    const listedOrAny = (values: readonly string[] | undefined) => values?.join('; ') ?? 'any';
    return [phase, listedOrAny(seen), listedOrAny(inside), listedOrAny(doubt), decided(step), because];
  });
  return {
    plan: markdown(['lease', 'the grid shows', 'in doubt', 'step', 'because'], planRows),
    blocks: markdown(['block', 'the grid shows', 'inside', 'in doubt', 'step', 'because'], blockRows),
    endings: markdown(['cause', 'evidence', 'lease', 'answer', 'because'], endingRows),
  };
}

/** Returns the text between the marks of a table in the page. */
export function documentedTable(name: Name): string {
  const text = readFileSync(page, 'utf8');
  const { begin, end } = placeIn(text, name);
  return text.slice(begin, end);
}

function placeIn(text: string, name: Name): { readonly begin: number; readonly end: number } {
  const mark = `<!-- ${name}: begin -->\n`;
  return { begin: text.indexOf(mark) + mark.length, end: text.indexOf(`<!-- ${name}: end -->`) };
}

function write(): void {
  let text = readFileSync(page, 'utf8');
  for (const [name, rows] of Object.entries(ruleTables())) {
    const { begin, end } = placeIn(text, name as Name);
    text = text.slice(0, begin) + rows + text.slice(end);
  }
  writeFileSync(page, text);
}

if (import.meta.main) write();
