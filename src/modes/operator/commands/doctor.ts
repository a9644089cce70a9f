/** `doctor` examines host, grid and network configurations, with or without a running daemon, and names a fix for each fault. */
import { styleText } from 'node:util';
import { flagGroups as daemonGroups } from '../../daemon/config/flags.ts';
import { counted } from '../../quantity.ts';
import { folded, printable } from '../../terminal-text.ts';
import { defineCommand, json } from '../command.ts';
import type { Finding, Level } from '../doctor/check.ts';
import { showingProgress } from '../output/terminal.ts';

export const doctor = defineCommand({
  operands: '[NETCONF...]',
  examples: [
    ['doctor', 'Check this host, the grid, and the network configurations in /etc/cni/net.d and /etc/rkt/net.d'],
    ['doctor /etc/cni/net.d/10-net-1.conflist', 'Check with this network configuration alone'],
    ['doctor --grid-host=gm.example.com', 'Check with other flags than those of the service, before they are set'],
    ['doctor --json', 'The findings for a program'],
  ],
  groups: { Output: json, ...daemonGroups },
  asksForFlags: true,
  async run(invocation) {
    // Loaded only here: the grid's client would slow the start of every command.
    const { diagnose } = await import('../doctor/diagnose.ts');
    const findings = await showingProgress('checking', (onProgress) => diagnose(invocation, { onProgress }));
    const [failures, warnings] = [countOf('failure', findings), countOf('warning', findings)];
    return { value: { failures, warnings, findings }, text: () => report(findings, paint), failed: failures > 0 };
  },
});

function countOf(level: Level, findings: readonly Finding[]): number {
  return findings.filter((finding) => finding.level === level).length;
}

const colours = { ok: 'green', warning: 'yellow', failure: 'red', skipped: 'gray' } as const;

/** Colours a text on a terminal, unless NO_COLOR is set. */
function paint(level: Level, text: string): string {
  return styleText(colours[level], text, { stream: process.stdout });
}

const width = 'warning'.length;
/** Columns before the text of a finding. */
const indent = width + 4;

/** Writes findings by group, each with its fix, and their count; texts from outside are made printable. */
export function report(findings: readonly Finding[], paintLevel: typeof paint): string {
  const sections = [...Map.groupBy(findings, ({ group }) => group)].map(([group, found]) => {
    const lines = mergeSkipped(found).map(({ level, title, message, fix }) => {
      const line = `  ${paintLevel(level, level.padEnd(width))}  ${folded(printable(`${title}: ${message}`), indent)}\n`;
      return fix === null ? line : `${line}${' '.repeat(indent)}${folded(`fix: ${printable(fix)}`, indent)}\n`;
    });
    return `${folded(printable(group), 0)}\n${lines.join('')}\n`;
  });
  const [failures, warnings] = [countOf('failure', findings), countOf('warning', findings)];
  const [good, skips] = [countOf('ok', findings), countOf('skipped', findings)];
  const counts = `${counted(failures, 'failure', 'failures')}, ${counted(warnings, 'warning', 'warnings')}, ${good} ok`;
  return `${sections.join('')}${counts}${skips === 0 ? '' : `, ${skips} skipped`}\n`;
}

/** Merges the findings that were skipped for the same reason into one line. */
function mergeSkipped(findings: readonly Finding[]): Finding[] {
  const groups = Map.groupBy(findings, ({ level, message }, index) => (level === 'skipped' ? message : index));
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : { ...first, title: [first, ...others].map(({ title }) => title).join(', ') },
  );
}
