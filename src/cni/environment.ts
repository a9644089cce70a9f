/**
 * The environment of a call (SPEC section 2 "Parameters"). Loaded by the plugin process: small imports only.
 */
import { CniCode, CniError } from './errors.ts';
import { checkContainerId, checkInterfaceName } from './names.ts';

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
