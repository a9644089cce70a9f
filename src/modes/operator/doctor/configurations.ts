/** The files with network configurations, as far as they can be judged without the grid. */
import { overlaps } from '../../../infoblox/address.ts';
import type { Options } from '../../daemon/config/options.ts';
import {
  type Checked,
  checkNetworkFile,
  findNetworkFiles,
  type NetworkConfiguration,
  networkDirectories,
} from '../network-configurations.ts';
import { type Check, checks } from './check.ts';
import { failure, ok, type Verdict, warning } from './finding.ts';

/** Reads network configurations. @param files none: those of this host that use the driver */
export function readConfigurations(files: readonly string[], options: Options): Checked {
  const isGiven = files.length > 0;
  const checked = (isGiven ? files : findNetworkFiles(options.driverName)).map((file) =>
    checkNetworkFile(file, options),
  );
  return {
    found: checked.flatMap(({ found }) => found),
    errors: checked.flatMap(({ errors }) => errors).filter(({ isForeign }) => isGiven || isForeign !== true),
  };
}

/** Makes the checks of what was read. */
export function configurationChecks(checked: Checked): Check[] {
  return checks('network configurations', {
    files: { run: () => judgeFiles(checked) },
    ...(checked.found.length > 1 && { together: { run: () => judgeTogether(checked.found) } }),
  });
}

/** Says what each file is good for. */
export function judgeFiles({ found, errors }: Checked): Verdict[] {
  if (found.length + errors.length === 0) {
    const what = `none in ${networkDirectories.join(' and ')} uses this driver`;
    return [warning(what, 'copy one of /etc/infoblox-cni/netconf there, or name files after doctor')];
  }
  const wrong = errors.map(({ file, message, hint }) => failure(`${file}: ${message}`, hint));
  const right = found.flatMap(({ file, spec, remarks }) => [
    ok(`${file}: network ${spec.name}`),
    ...remarks.map((remark) => warning(`${file}: ${remark}`, 'correct or remove it')),
  ]);
  return [...wrong, ...right];
}

/** Says which configurations the daemon cannot serve beside each other. */
export function judgeTogether(found: readonly NetworkConfiguration[]): Verdict[] {
  const conflicts = found.flatMap((one, index) => found.slice(index + 1).flatMap((other) => judgePair(one, other)));
  return conflicts.length > 0 ? conflicts : [ok('they do not contradict each other')];
}

function judgePair({ file, spec: one }: NetworkConfiguration, { file: otherFile, spec: other }: NetworkConfiguration) {
  if (one.view !== other.view || one.place.kind !== 'subnet' || other.place.kind !== 'subnet') return [];
  const [cidr, otherCidr] = [one.place.cidr, other.place.cidr];
  const files = `${file} and ${otherFile}`;
  if (one.name === other.name) {
    if (cidr.text === otherCidr.text) return [];
    const what = `${files} give network ${one.name} two subnets, ${cidr.text} and ${otherCidr.text}`;
    return [failure(what, 'give one of them another "name", or both the same subnet')];
  }
  if (!overlaps(cidr, otherCidr)) return [];
  const what = `the subnets of ${files} overlap: ${cidr.text} of ${one.name}, ${otherCidr.text} of ${other.name}`;
  return [failure(what, 'give them subnets that do not overlap, or the same subnet and name')];
}
