/**
 * The environment of a call, and the names in a call (SPEC section 2 "Parameters", section 1 "Network configuration").
 * Loaded by the plugin process: imports nothing but errors.
 */
import { CniCode, CniError } from './errors.ts';

const commands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;

export type Command = (typeof commands)[number];

/**
 * The environment of a call. Variables that the command does not use are empty strings, even if the caller set them.
 */
export interface CallEnvironment {
  readonly command: Command;
  readonly containerId: string;
  /** A path. On DEL it may be empty or no longer exist. */
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS as it came, for `parseCniArgs`. */
  readonly args: string;
}

/**
 * The variables that each command requires. The reference always requires CNI_PATH. This plugin calls no other plugin,
 * so it requires CNI_PATH only where the specification does.
 */
const required: Record<Command, readonly string[]> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: [],
  VERSION: [],
};

/** Tells whether a value is a command; case matters. */
export function isCommand(value: string | undefined): value is Command {
  return (commands as readonly (string | undefined)[]).includes(value);
}

/**
 * Reads and checks the CNI variables. A variable that is set but empty counts as missing. Attachment variables are
 * ignored for commands without an attachment: callers fill them with dummies.
 * @throws CniError 4 if the command is unknown, or variables are missing (one message names them all) or invalid
 */
export function readEnvironment(env: NodeJS.ProcessEnv): CallEnvironment {
  const command = env.CNI_COMMAND;
  if (!isCommand(command)) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `unknown CNI_COMMAND: ${(command ?? '').slice(0, 40)}`,
      `CNI_COMMAND must be one of ${commands.join(', ')}.`,
    );
  }
  const missing = required[command].filter((name) => !env[name]);
  if (missing.length > 0) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `required environment variables missing: ${missing.join(', ')}`,
      `CNI ${command} needs them; the container runtime sets them.`,
    );
  }
  if (command === 'GC' || command === 'STATUS' || command === 'VERSION') {
    return { command, containerId: '', netns: '', ifName: '', args: '' };
  }
  const containerId = env.CNI_CONTAINERID ?? '';
  const ifName = env.CNI_IFNAME ?? '';
  checkContainerId(containerId);
  checkInterfaceName(ifName);
  return { command, containerId, netns: env.CNI_NETNS ?? '', ifName, args: env.CNI_ARGS ?? '' };
}

const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const identifierRule = 'It must start with a letter or digit and hold only letters, digits, "_", "." and "-".';

/** The kernel's IFNAMSIZ less the terminating zero. */
const maxInterfaceNameBytes = 15;

/**
 * Checks CNI_CONTAINERID. Its length is not limited.
 * @throws CniError 4
 */
export function checkContainerId(value: string): void {
  if (!identifier.test(value)) {
    throw new CniError(CniCode.invalidEnvironment, `invalid CNI_CONTAINERID ${quote(value)}`, identifierRule);
  }
}

/**
 * Checks the `name` of a network.
 * @throws CniError 7
 */
export function checkNetworkName(value: string): void {
  if (!identifier.test(value)) {
    throw new CniError(CniCode.invalidConfig, `invalid network name ${quote(value)}`, identifierRule);
  }
}

/**
 * Checks CNI_IFNAME. Refuses names that the specification forbids (SPEC section 2 "Parameters"), that the kernel
 * refuses (`dev_valid_name` in net/core/dev.c), or that would be ambiguous in a comment on the grid. Shell
 * metacharacters are legal.
 * @throws CniError 4
 */
export function checkInterfaceName(value: string): void {
  const fault = interfaceNameFault(value);
  if (fault !== undefined) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `invalid CNI_IFNAME ${quote(value)}`,
      `An interface name ${fault}; the runtime sets it.`,
    );
  }
}

function interfaceNameFault(value: string): string | undefined {
  const bytes = Buffer.from(value);
  if (bytes.length > maxInterfaceNameBytes) return `has at most ${maxInterfaceNameBytes} bytes`;
  if (value === '.' || value === '..') return 'cannot be "." or ".."';
  if (/[/:\p{White_Space}]/u.test(value)) return 'holds no "/", no ":" and no white space';
  if (/\p{Control}/u.test(value)) return 'holds no control characters';
  // Node decodes the environment as UTF-8 and replaces each invalid byte by U+FFFD, which would make two such names
  // equal.
  if (!value.isWellFormed() || value.includes('\u{FFFD}')) return 'must be valid UTF-8';
  // The kernel takes this byte for a space (lib/ctype.c), also within a character such as "\u{E0}".
  if (bytes.includes(0xa0)) return 'holds no character with the byte A0 in UTF-8, which the kernel refuses';
  return value === '' ? 'cannot be empty' : undefined;
}

/** Quotes a value, shortened for a log line. */
function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
}
