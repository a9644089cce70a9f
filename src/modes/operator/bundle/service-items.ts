/** What a support bundle says of the service: its flags, its environment file, unit, state under systemd, log. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type FlagName, flags as known } from '../../daemon/config/flags.ts';
import type { ServiceSettings } from '../command.ts';
import { type Item, item, jsonItem, outputOf, readBeginning } from './item.ts';

const unit = 'infoblox-cni-daemon.service';
/** Where systemd looks for units, the strongest first: systemd.unit(5), "Unit File Load Path". */
const unitDirectories = [
  ...['/etc/systemd/system', '/run/systemd/system', '/usr/local/lib/systemd/system'],
  ...['/usr/lib/systemd/system', '/lib/systemd/system'],
];
/** Lines of the log. */
const logLines = 5_000;
const shown = [
  'ActiveState',
  'SubState',
  'Result',
  'NRestarts',
  'ExecMainStatus',
  'ExecMainStartTimestamp',
  'MemoryCurrent',
];

/** Collects them. */
export async function serviceItems({ daemonFlags, wrongFlags, environmentFile }: ServiceSettings): Promise<Item[]> {
  const units = unitFiles();
  // Without the second spelling of each that the parser adds.
  const values = Object.fromEntries(Object.keys(known).map((name) => [name, daemonFlags[name as FlagName]]));
  return [
    await jsonItem('flags.json', () => ({ wrong: wrongFlags, flags: values })),
    await item('daemon.env', () => readBeginning(environmentFile)),
    ...(await Promise.all(units.map((file) => item(`units${file}`, () => readBeginning(file))))),
    await item('service-state', () => outputOf('systemctl', ['show', unit, `--property=${shown.join()}`])),
    await item('log', () => log()),
  ];
}

/** The unit and its drop-ins, wherever they are. */
function unitFiles(): string[] {
  return unitDirectories.flatMap((directory) => {
    const dropIns = join(directory, `${unit}.d`);
    const names = existsSync(dropIns) ? readdirSync(dropIns).sort() : [];
    return [join(directory, unit), ...names.map((name) => join(dropIns, name))].filter((file) => existsSync(file));
  });
}

async function log(): Promise<string> {
  const options = ['-n', String(logLines), '-o', 'short-iso', '--no-pager', '--quiet'];
  const text = await outputOf('journalctl', ['-u', unit, ...options]);
  if (text === '') throw new Error('the journal has no line of the service');
  return text;
}
