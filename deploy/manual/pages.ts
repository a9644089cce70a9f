/** The manual pages of the three names: flags and commands from the code, keys and codes from the docs. */
import type { ArgDef } from 'citty';
import { commandNames, commandSummaries } from '../../src/modes/about.ts';
import { flagGroups } from '../../src/modes/daemon/config/flags.ts';
import { common } from '../../src/modes/operator/command.ts';
import { commands } from '../../src/modes/operator/run.ts';
import { tableBelow } from './markdown-table.ts';
import { argument, definitions, examples, manualPage, section, text } from './mdoc.ts';

type Flags = Readonly<Record<string, ArgDef>>;

/** Makes the pages by file name. @param date the release's, as mdoc(7) has it: `January 2, 2026` */
export function manualPages(date: string): Readonly<Record<string, string>> {
  return {
    'infoblox.8': pluginPage(date),
    'infoblox-cni-daemon.8': daemonPage(date),
    'infoblox-cni.8': executablePage(date),
  };
}

function pluginPage(date: string): string {
  const keys = tableBelow('configuration.md', '## Keys under `ipam`');
  const codes = tableBelow('troubleshooting.md', '## Error codes');
  return manualPage({
    ...{ name: 'infoblox', date, summary: 'CNI IPAM plugin for an Infoblox grid' },
    synopsis: ['.Sm off', '.Cm CNI_COMMAND= Ar command', '.Sm on', '.Nm', '.Ar < configuration'],
    sections: [
      section(
        'Description',
        text(
          'Container runtimes run it, through a main plugin such as bridge or macvlan, for every container that joins or',
        ),
        text('leaves a network. It passes the call to'),
        '.Xr infoblox-cni-daemon 8 ,',
        text('which reserves and releases addresses in the grid.'),
      ),
      section(
        'Network configuration',
        'Keys under',
        `.Sy ${argument('ipam')} :`,
        definitions(keys.map(([key = '', meaning = '', without = '']) => [key, `${meaning}. Without it: ${without}.`])),
      ),
      section(
        'Files',
        definitions([
          ['/run/cni/infoblox.sock', 'The socket of the daemon.'],
          ['/run/cni/infoblox.owed', 'Notes of calls that no daemon answered.'],
        ]),
      ),
      exit([
        ['0', 'Success.'],
        ['1', 'Failure; the error object is on standard output.'],
      ]),
      section(
        'Diagnostics',
        'The error object on standard output has one of these codes; its',
        `.Sy ${argument('details')}`,
        'say what to do.',
        definitions(codes.map(([code = '', meaning = '', todo = '']) => [code, `${meaning}. ${upper(todo)}.`])),
      ),
      section('See also', '.Xr infoblox-cni-daemon 8'),
    ],
  });
}

function daemonPage(date: string): string {
  const described = commandNames.flatMap((name) => {
    const { operands, groups } = commands[name];
    const all: Flags = Object.assign({}, ...Object.values(groups));
    const isOwn = (flag: string) => !isDaemonFlag(flag) && !Object.hasOwn(common, flag);
    const own = Object.fromEntries(Object.entries(all).filter(([flag]) => isOwn(flag)));
    return [
      `.Ss ${argument(operands === undefined ? name : `${name} ${operands}`)}`,
      `${text(commandSummaries[name])}.`,
      ...(Object.keys(own).length === 0 ? [] : [flagList(own)]),
      '.Pp',
      examples(commands[name].examples.map(([line, meaning]) => [`infoblox-cni-daemon ${line}`, meaning])),
    ];
  });
  const groups = Object.entries(flagGroups).flatMap(([title, flags]) => [`.Ss ${argument(title)}`, flagList(flags)]);
  return manualPage({
    ...{ name: 'infoblox-cni-daemon', date, summary: 'allocates container addresses from an Infoblox grid' },
    synopsis: ['.Nm', '.Op Ar flags', '.Nm', '.Ar command', '.Op Ar flags'],
    sections: [
      section(
        'Description',
        text('Without a command it is the host service: it holds the credentials of the grid and serves the calls of'),
        '.Xr infoblox 8 .',
        text('With a command it asks the running service, or the grid, and ends.'),
      ),
      section(
        'Commands',
        text('Each also takes the flags of the daemon that it needs, and these:'),
        flagList(common),
        ...described,
      ),
      section('Flags', ...groups),
      section(
        'Environment',
        definitions([
          ['WAPI_PASSWORD', 'The WAPI password, if no flag gives it.'],
          ['DAEMON_FLAGS', 'In the environment file: the flags of the service.'],
        ]),
      ),
      section(
        'Files',
        definitions([
          ['/etc/infoblox-cni/daemon.env', 'The environment file of the service.'],
          ['/etc/infoblox-cni/wapi-password', 'The WAPI password, a credential of the unit.'],
          ['/var/lib/infoblox-cni/state.db', 'The leases of this host.'],
          ['/run/cni/infoblox.sock', 'The socket that plugins and commands connect to.'],
        ]),
      ),
      exit([
        ['0', 'Success; for a command that checks: no problem found.'],
        ['1', 'A problem was found, or the command failed.'],
        ['2', 'The command line is wrong.'],
        ['3', 'A command could not reach the daemon.'],
      ]),
      section('See also', '.Xr infoblox 8'),
    ],
  });
}

function executablePage(date: string): string {
  return manualPage({
    ...{ name: 'infoblox-cni', date, summary: 'the executable of a CNI IPAM driver for Infoblox' },
    synopsis: ['.Nm', '.Op Fl \\-version | Fl \\-licenses | Fl \\-help'],
    sections: [
      section(
        'Description',
        text('One executable; its name decides whether it is the plugin or the daemon:'),
        '.Xr infoblox 8',
        'or',
        '.Xr infoblox-cni-daemon 8 .',
        text('Under any other name it is the plugin if CNI_COMMAND is set.'),
      ),
      section('See also', '.Xr infoblox 8 ,', '.Xr infoblox-cni-daemon 8'),
    ],
  });
}

function isDaemonFlag(name: string): boolean {
  return Object.values<Flags>(flagGroups).some((flags) => Object.hasOwn(flags, name));
}

function flagList(flags: Flags): string {
  return definitions(
    Object.entries(flags).map(([name, { type, description = '', default: standard }]) => {
      const value = type === 'boolean' ? '' : '=VALUE';
      const shown = standard === undefined || standard === '' ? '' : ` Default: ${standard}.`;
      return [`--${name}${value}`, `${description}.${shown}`];
    }),
  );
}

function exit(statuses: readonly (readonly [string, string])[]): string {
  return section('Exit status', definitions(statuses));
}

function upper(sentence: string): string {
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`;
}
