/**
 * The three kinds of names in a call (SPEC section 2 "Parameters", section 1 "Network configuration").
 * Loaded by the plugin process: imports nothing but errors.
 */
import { CniCode, CniError } from './errors.ts';

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
