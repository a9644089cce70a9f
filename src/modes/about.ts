/** What people see who call the executable by hand instead of through a container runtime. */
import { supportedVersions } from '../cni/versions.ts';
import { commit, version } from './build-info.ts';

export const versionLine = `infoblox-cni ${version} (${commit})`;

export const aboutText = `CNI IPAM plugin infoblox, ${versionLine}
CNI protocol versions supported: ${supportedVersions.join(', ')}
`;

export const helpText = `${aboutText}
One executable, two roles, by the name it is called with:

  infoblox              the IPAM plugin: container runtimes run it, with CNI_COMMAND in its environment.
                        Install it (or a link to it) in the CNI plugin directory and set "ipam": {"type": "infoblox"}.
  infoblox-cni-daemon   the host service that allocates from the Infoblox grid. Try infoblox-cni-daemon --help.

  --help                print this
  --version             print the version
  --licenses            print the licences of the software that it contains
`;

/** For flags of the daemon given to another name. */
export const noFlagsText = `Called by this name, it is the plugin, which takes no flags but --version, --help and --licenses.
To run the daemon, call it as infoblox-cni-daemon: a link of that name to this file.
`;
