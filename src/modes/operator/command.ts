/** Defines operator commands: their flags, how their command line is read, their exit status. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { type ArgsDef, type ParsedArgs, parseArgs } from 'citty';
import {
  defaultEnvironmentFile,
  type FlagValues,
  joinFlags,
  parseFlags,
  readEnvironmentFile,
  refuseWrong,
  UsageError,
} from '../daemon/config/command-line.ts';
import { flags as daemon, flagGroups } from '../daemon/config/flags.ts';
import { socketFile } from '../protocol.ts';
import { CommandError, type ExitStatus, exitStatus } from './command-error.ts';
import { jsonText } from './output/results.ts';

/** The name by which the executable was called. */
export const calledName = basename(process.argv0) === 'infoblox-cni-daemon' ? 'infoblox-cni-daemon' : 'infoblox-cni';

/** Makes a flag with a value; the default `''` is not shown. */
export function text(standard: string, description: string) {
  return { type: 'string', default: standard, description } as const;
}

/** Makes a flag without a value. */
export function flag(description: string) {
  return { type: 'boolean', description } as const;
}

/** Flags of every command. `--env-file` is taken: Node reads it itself, even in a single executable. */
export const common = {
  'environment-file': text(
    defaultEnvironmentFile,
    "The daemon's environment file; this command line overrides its DAEMON_FLAGS",
  ),
  help: flag('Show this help'),
} as const satisfies ArgsDef;

/** Flags that locate the daemon's socket, for commands that ask the daemon. */
export const daemonPlace = {
  'socket-dir': daemon['socket-dir'],
  'driver-name': daemon['driver-name'],
} as const satisfies ArgsDef;

/** Flags for commands that ask the grid themselves. `--state-dir` holds the keys that --ssl-verify=pin compares with. */
export const gridFlags = {
  ...flagGroups['Infoblox grid'],
  'state-dir': daemon['state-dir'],
} as const satisfies ArgsDef;

export const json = { json: flag('Write JSON, for programs') } as const satisfies ArgsDef;

/** Flags by the heading of their group in the help. */
type Groups = Readonly<Record<string, ArgsDef>>;
/** The flags of all groups. */
type FlagsIn<G extends Groups> = {
  [Name in { [Title in keyof G]: keyof G[Title] & string }[keyof G]]: Extract<G[keyof G], Record<Name, unknown>>[Name];
};

/** Settings of the service. */
export interface ServiceSettings {
  /** The daemon's flags: those of this command line, then those of the environment file. */
  readonly daemonFlags: FlagValues;
  /** The environment with the variables of the daemon's environment file. */
  readonly env: NodeJS.ProcessEnv;
  /** Path of the daemon's socket. */
  readonly socket: string;
  /** Path of the environment file, with ` (absent)` if it does not exist. */
  readonly environmentFile: string;
  /** Says where a flag of the daemon was set. */
  readonly sourceOf: (flag: keyof FlagValues & string) => string;
}

export interface Invocation<G extends Groups = Groups> extends ServiceSettings {
  readonly flags: ParsedArgs<FlagsIn<G>>;
  readonly operands: readonly string[];
}

/** The findings or actions of a command. */
export interface Outcome {
  /** Makes the text for people. */
  readonly text: () => string;
  /** The same for programs, with --json. */
  readonly value?: unknown;
  /** Whether something is wrong, or part of the request was not done. */
  readonly failed?: boolean;
}

/** A command, as its author defines it. */
interface Definition<G extends Groups> {
  /** Operands, as the help shows them: `CONTAINER`, `[FILE...]`. Absent: none allowed. */
  readonly operands?: string;
  /** Command lines without the program's name, and what each does. */
  readonly examples: readonly (readonly [string, string])[];
  readonly groups: G;
  /** Set if the running daemon's flags apply where there is no environment file, as in a container. */
  readonly asksForFlags?: true;
  /** @throws CommandError, UsageError, GridError or StartError */
  run(invocation: Invocation<G>): Promise<Outcome>;
}

/** A command, ready to run. */
export type Command = Pick<Definition<Groups>, 'operands' | 'examples' | 'groups'> & {
  /**
   * Runs the command and writes its result to stdout.
   * @param args arguments after the command's name
   * @returns undefined if `--help` was given
   * @throws UsageError for a wrong command line, and what `run` throws
   */
  start(args: readonly string[]): Promise<ExitStatus | undefined>;
};

/** Makes a command from its definition. */
export function defineCommand<const G extends Groups>(definition: Definition<G>): Command {
  const { groups, run, asksForFlags, ...described } = definition;
  return {
    ...described,
    groups: { ...groups, Other: common },
    async start(args) {
      const known: ArgsDef = Object.assign({}, ...Object.values(groups), common);
      const { joined, operands } = joinFlags(args, known, described.operands === undefined ? undefined : 'operands');
      const given = parseArgs<typeof common & typeof json>(joined, known);
      if (given.help) return undefined;
      // An empty variable in a script must not mean "all". Some flags of the daemon may be empty.
      const ofDaemon = joined.filter((flag) => isDaemonFlag(flag, known));
      const empty = joined.find((flag) => flag.indexOf('=') === flag.length - 1 && !ofDaemon.includes(flag));
      if (empty !== undefined) throw new UsageError(`flag ${empty.slice(0, -1)} needs a value`);
      const settings = await settingsOf({ joined, ofDaemon }, given['environment-file'], asksForFlags);
      const { text, value, failed } = await run({ flags: parseArgs<FlagsIn<G>>(joined, known), operands, ...settings });
      process.stdout.write(given.json ? `${jsonText(value)}\n` : text());
      return failed ? exitStatus.failed : exitStatus.ok;
    },
  };
}

/**
 * Reads the service's settings.
 * @param flags of the command line: all, and those of the daemon
 * @throws UsageError for a faulty environment file
 */
async function settingsOf(
  { joined, ofDaemon: over }: { readonly joined: readonly string[]; readonly ofDaemon: readonly string[] },
  file: string,
  asksForFlags: true | undefined,
): Promise<ServiceSettings> {
  const isNamed = joined.some((flag) => flag.startsWith('--environment-file='));
  const { isThere, variables, daemonFlags, fault } = readEnvironmentFile(file, isNamed ? 'required' : 'optional');
  if (fault !== null) throw new UsageError(`${file}: ${fault}`);
  refuseWrong(daemonFlags, file);
  const env = { ...process.env, ...variables };
  const place = parseFlags(over);
  const running =
    asksForFlags && !isThere ? await flagsOfDaemon(socketFile(place['socket-dir'], place['driver-name'])) : [];
  const words = [...running, ...daemonFlags, ...over];
  const values = parseFlags([...words, ...passwordFlag(parseFlags(words), env)]);
  const socket = socketFile(values['socket-dir'], values['driver-name']);
  const environmentFile = `${file}${isThere ? '' : ' (absent)'}`;
  const sourceOf = (flag: string) => {
    const isIn = (some: readonly string[]) =>
      joinFlags(some, daemon).joined.some((one) => one.startsWith(`--${flag}=`));
    if (isIn(over)) return 'command line';
    return isIn(daemonFlags) ? 'DAEMON_FLAGS' : isIn(running) ? 'running daemon' : 'default';
  };
  return { daemonFlags: values, env, socket, environmentFile, sourceOf };
}

/** Asks the daemon for its flags; none if it does not answer. */
async function flagsOfDaemon(socket: string): Promise<string[]> {
  // Loaded only here: most commands start faster without it.
  const { askDaemon } = await import('./daemon-connection.ts');
  try {
    const { flags } = await askDaemon({ socket, method: 'operator/flags', params: {} });
    return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  } catch (error) {
    if (error instanceof CommandError) return [];
    throw error;
  }
}

/**
 * Tells whether a flag is the daemon's, and not one of that name that the command has itself.
 * @param flag `--name=value`
 */
function isDaemonFlag(flag: string, known: ArgsDef): boolean {
  const name = flag.slice(2, flag.indexOf('='));
  return Object.hasOwn(daemon, name) && known[name] === (daemon as ArgsDef)[name];
}

/** The systemd unit passes this file to the service as a credential. */
const servicePassword = '/etc/infoblox-cni/wapi-password';

/** Makes the flag for the service's credential if no other password is configured. */
function passwordFlag(flags: FlagValues, env: NodeJS.ProcessEnv): string[] {
  const isNamed = flags['wapi-password'] !== '' || flags['wapi-password-file'] !== '' || Boolean(env.WAPI_PASSWORD);
  return isNamed || !existsSync(servicePassword) ? [] : [`--wapi-password-file=${servicePassword}`];
}
