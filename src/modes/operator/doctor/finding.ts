/** What a check has found out: for people a line with what and why, and a second one with the fix; all of them make the report. */
import { counted } from '../../quantity.ts';
import { folded, printable } from '../../terminal-text.ts';

export type Level =
  | 'ok'
  /** It works, but not for long, not safely, or not as meant. */
  | 'warning'
  /** Containers do not start, or get an address that somebody else has. */
  | 'failure'
  /** It could not be found out; the message says why. */
  | 'skipped';

/** What one look at something says. */
export interface Verdict {
  readonly level: Level;
  /** What was found, and why it is so: a clause. */
  readonly message: string;
  /** What to do about it: a clause. Null where there is nothing to do. */
  readonly fix: string | null;
}

export interface Finding extends Verdict {
  /** What the check belongs to: `host`, `plugins`, `grid`, `network net-1`. */
  readonly group: string;
  /** What was checked. */
  readonly title: string;
  /** The name that stands in the group or the title: of a host of the grid, or of a network. */
  readonly about?: string | undefined;
}

/** Makes the verdict that all is as it should be. */
export function ok(message: string): Verdict {
  return { level: 'ok', message, fix: null };
}

/** Makes the verdict that something works, and should be changed all the same. */
export function warning(message: string, fix: string | null | undefined): Verdict {
  return { level: 'warning', message, fix: fix ?? null };
}

/** Makes the verdict that something does not work. */
export function failure(message: string, fix: string | null | undefined): Verdict {
  return { level: 'failure', message, fix: fix ?? null };
}

/** Makes the verdict that something cannot be told. @param message why not */
export function skipped(message: string): Verdict {
  return { level: 'skipped', message, fix: null };
}

/** Counts the findings of a level. */
export function countOf(level: Level, findings: readonly Verdict[]): number {
  return findings.filter((finding) => finding.level === level).length;
}

type Paint = (level: Level, text: string) => string;

const width = 'warning'.length;
/** Columns before the text of a finding. */
const indent = width + 4;

/** Makes the report: findings by group, each with its fix, and how many there are; texts from outside are made printable. */
export function report(findings: readonly Finding[], paint: Paint): string {
  const sections = [...Map.groupBy(findings, ({ group }) => group)].map(([group, found]) => {
    const lines = mergeSkipped(found).map((finding) => linesOf(finding, paint));
    return `${folded(printable(group), 0)}\n${lines.join('')}\n`;
  });
  const [failures, warnings, skips] = [
    countOf('failure', findings),
    countOf('warning', findings),
    countOf('skipped', findings),
  ];
  const counts = `${counted(failures, 'failure', 'failures')}, ${counted(warnings, 'warning', 'warnings')}, ${countOf('ok', findings)} ok`;
  return `${sections.join('')}${counts}${skips === 0 ? '' : `, ${skips} skipped`}\n`;
}

function linesOf({ level, title, message, fix }: Finding, paint: Paint): string {
  const line = `  ${paint(level, level.padEnd(width))}  ${folded(printable(`${title}: ${message}`), indent)}\n`;
  return fix === null ? line : `${line}${' '.repeat(indent)}${folded(`fix: ${printable(fix)}`, indent)}\n`;
}

/** One line for all that was skipped for the same reason. */
function mergeSkipped(findings: readonly Finding[]): Finding[] {
  const groups = Map.groupBy(findings, ({ level, message }, index) => (level === 'skipped' ? message : index));
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : { ...first, title: [first, ...others].map(({ title }) => title).join(', ') },
  );
}
