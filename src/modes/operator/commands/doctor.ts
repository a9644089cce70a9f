/** `doctor`: examines host, grid and network configurations from cold, and says how to repair what is wrong. */
import { styleText } from 'node:util';
import { flagGroups as daemonGroups } from '../../daemon/config/flags.ts';
import { defineCommand, json } from '../command.ts';
import { exitStatus } from '../command-error.ts';
import { countOf, type Level, report } from '../doctor/finding.ts';
import { writeJson } from '../output/results.ts';
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
  async run(invocation) {
    // With the client of the grid, which would make every command start later.
    const { diagnose } = await import('../doctor/diagnose.ts');
    const findings = await showingProgress('checking', (onProgress) => diagnose(invocation, { onProgress }));
    const failures = countOf('failure', findings);
    if (invocation.flags.json) writeJson({ failures, warnings: countOf('warning', findings), findings });
    else process.stdout.write(report(findings, paint));
    return failures === 0 ? exitStatus.ok : exitStatus.failed;
  },
});

const colours = { ok: 'green', warning: 'yellow', failure: 'red', skipped: 'gray' } as const;

/** Colours on a terminal alone, and not under NO_COLOR. */
function paint(level: Level, text: string): string {
  return styleText(colours[level], text, { stream: process.stdout });
}
