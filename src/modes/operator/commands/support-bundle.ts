/** `support-bundle` collects all diagnostic data about this driver on this host in one archive. */
import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { isErrno, messageOf } from '../../../errno.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import { flagGroups as daemonGroups } from '../../daemon/config/flags.ts';
import type { Item } from '../bundle/bundle.ts';
import { defineCommand, flag, text } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { printedLines } from '../output/results.ts';
import { showingProgress } from '../output/terminal.ts';

const own = {
  output: text('', 'The archive to create; by default in this directory, named after host and time'),
  redact: flag('Mask names and addresses, each by the same pseudonym everywhere'),
  state: flag('Include the state file, with all names'),
};

export const supportBundle = defineCommand({
  examples: [
    ['support-bundle', 'Collect versions, settings, status, findings of doctor, log; no secrets'],
    ['support-bundle --redact --output=/tmp/bundle.tar.gz', 'The same without names and addresses'],
  ],
  groups: { Bundle: own, ...daemonGroups },
  asksForFlags: true,
  async run({ flags, ...source }) {
    const [redact, state] = [flags.redact === true, flags.state === true];
    if (redact && state) throw new UsageError('--state does not go with --redact: the state contains all names');
    const file = resolve(flags.output || defaultName(redact));
    // Loaded only here: the grid's client would slow the start of every command.
    const { archive } = await import('../bundle/bundle.ts');
    const handle = create(file);
    try {
      const { data, items } = await showingProgress('examining', (onProgress) =>
        archive(source, { redact, state, onProgress }),
      );
      writeFileSync(handle, data);
      return { text: () => summary(file, items) };
    } catch (error) {
      unlinkSync(file);
      throw error;
    } finally {
      closeSync(handle);
    }
  },
});

function summary(file: string, items: readonly Item[]): string {
  const missing = items.filter(({ isThere }) => !isThere);
  return printedLines([
    `${file}: ${items.length - missing.length} files`,
    ...missing.map(({ name, text }) => `without ${name}: ${text.trim()}`),
    'look through it before you give it to others',
  ]);
}

function defaultName(redact: boolean): string {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  return `infoblox-cni-support-${redact ? '' : `${hostname()}-`}${time}.tar.gz`;
}

/** Creates the file before anything is collected, readable by root alone. @throws CommandError if it exists */
function create(file: string): number {
  try {
    return openSync(file, 'wx', 0o600);
  } catch (error) {
    const why = isErrno(error, 'EEXIST') ? 'it is there already' : messageOf(error);
    throw new CommandError(`cannot make ${file}: ${why}`, 'name another file with --output');
  }
}
