/** Findings as text for people. */

import { counted } from '../../counted.ts';
import { printable } from '../../printable.ts';
import { folded } from '../../terminal-text.ts';
import { countOf, type Finding, type Level } from './finding.ts';

const width = 'warning'.length;
/** Columns before the text of a finding. */
const indent = width + 4;

/** Makes the report: findings by group, each with its fix, and how many there are; texts from outside are made printable. */
export function report(findings: readonly Finding[], paint: (level: Level, text: string) => string): string {
  const groups = Map.groupBy(findings, ({ group }) => group);
  const sections = [...groups].map(([group, found]) => {
    const lines = mergeSkipped(found).map((finding) => linesOf(finding, paint));
    return `${folded(printable(group), 0)}\n${lines.join('')}\n`;
  });
  return `${sections.join('')}${summary(findings)}\n`;
}

function linesOf({ level, title, message, fix }: Finding, paint: (level: Level, text: string) => string): string {
  const line = `  ${paint(level, level.padEnd(width))}  ${folded(printable(`${title}: ${message}`), indent)}\n`;
  return fix === null ? line : `${line}${' '.repeat(indent)}${folded(`fix: ${printable(fix)}`, indent)}\n`;
}

/** One line for all that was skipped for the same reason. */
function mergeSkipped(findings: readonly Finding[]): Finding[] {
  const merged = new Map<string, Finding>();
  for (const finding of findings) {
    const key = finding.level === 'skipped' ? finding.message : `#${merged.size}`;
    const before = merged.get(key);
    merged.set(key, before === undefined ? finding : { ...before, title: `${before.title}, ${finding.title}` });
  }
  return [...merged.values()];
}

/** Counts what was found: `1 failure, 2 warnings, 20 ok, 3 skipped`. */
function summary(findings: readonly Finding[]): string {
  const [failures, warnings] = [countOf('failure', findings), countOf('warning', findings)];
  const parts = [
    counted(failures, 'failure', 'failures'),
    counted(warnings, 'warning', 'warnings'),
    `${countOf('ok', findings)} ok`,
    ...(countOf('skipped', findings) === 0 ? [] : [`${countOf('skipped', findings)} skipped`]),
  ];
  return parts.join(', ');
}
