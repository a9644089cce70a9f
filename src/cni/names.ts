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
 * Judges CNI_CONTAINERID. There is no limit to its length.
 * @throws CniError 4
 */
export function checkContainerId(value: string): void {
  if (!identifier.test(value)) {
    throw new CniError(CniCode.invalidEnvironment, `invalid CNI_CONTAINERID ${quote(value)}`, identifierRule);
  }
}

/**
 * Judges the `name` of a network.
 * @throws CniError 7
 */
export function checkNetworkName(value: string): void {
  if (!identifier.test(value)) {
    throw new CniError(CniCode.invalidConfig, `invalid network name ${quote(value)}`, identifierRule);
  }
}

/**
 * Judges CNI_IFNAME by the kernel's rules. Characters that mean something to a shell are legal.
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
  if (Buffer.byteLength(value) > maxInterfaceNameBytes) return `has at most ${maxInterfaceNameBytes} bytes`;
  if (value === '.' || value === '..') return 'cannot be "." or ".."';
  if (/[/:\p{White_Space}]/u.test(value)) return 'holds no "/", no ":" and no white space';
  return value === '' ? 'cannot be empty' : undefined;
}

/** Long enough to recognise, short enough for a log line. */
function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
}
