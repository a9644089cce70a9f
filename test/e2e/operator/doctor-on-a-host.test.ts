/** `doctor` without arguments, on a host that is installed like in the documentation. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../../src/modes/operator/doctor/check.ts';
import { hostObstacle, runOnThrowawayHost } from '../docs/throwaway-host.ts';
import { requireBuilt } from '../program.ts';

const obstacle = hostObstacle();
const leftOut = obstacle !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write(`left out: doctor on a host of its own: ${obstacle}\n`);

/** Marks around the JSON of each command. */
const script = `
wait_for() { for _ in $(seq 300); do if eval "$1" >/dev/null 2>&1; then return; fi; sleep 0.1; done; echo "waited in vain for $1"; exit 1; }
install -d /etc/infoblox-cni
(umask 077; echo secret >/etc/infoblox-cni/wapi-password)
echo "DAEMON_FLAGS='--grid-host=grid.example.com --wapi-username=cni --ssl-verify=pin --node-name=host-7'" >/etc/infoblox-cni/daemon.env
ln -s "$PROJECT/dist/infoblox" /usr/lib/cni/infoblox
node test/simulator/main.ts --port 443 --username cni --password secret --network 172.18.1.0/24 >simulator.log 2>&1 &
wait_for 'curl -sk https://grid.example.com/'
infoblox-cni-daemon --grid-host=grid.example.com --wapi-username=cni --ssl-verify=pin --node-name=host-7 \\
  --wapi-password-file=/etc/infoblox-cni/wapi-password >daemon.log 2>&1 &
wait_for 'test -f /var/lib/infoblox-cni/grid-keys/grid.example.com:443'
diagnose() { echo "== $1"; shift; infoblox-cni-daemon doctor --json "$@" || true; }

diagnose unconfigured

install -d /etc/cni/net.d
echo '{"cniVersion":"1.0.0","name":"other","type":"bridge","ipam":{"type":"host-local"}}' >/etc/cni/net.d/20-other.conf
echo '{' >/etc/cni/net.d/30-broken.conf
cat >/etc/cni/net.d/10-net-1.conflist <<'END'
{"cniVersion":"1.0.0","name":"net-1","plugins":[{"type":"macvlan","ipam":{"type":"infoblox","subnet":"172.18.1.0/24"}},{"type":"portmap"}]}
END
ip link add uplink type veth peer name switch && ip link set switch up && ip link set uplink up
ip address add 172.18.1.7/24 dev uplink
echo 'infoblox-cni:!:991:990::/:/usr/sbin/nologin' >>/etc/passwd
chown -R 991 /var/lib/infoblox-cni
diagnose unreserved

curl -sSk -u cni:secret -H 'content-type: application/json' https://grid.example.com/wapi/v2.3/fixedaddress \\
  -d '{"ipv4addr":"172.18.1.7","mac":"00:00:00:00:00:00","match_client":"RESERVED","comment":"host-7"}' >/dev/null
diagnose reserved

chown -R 4711 /var/lib/infoblox-cni
diagnose foreign-state
echo "== end"
`;

describe.skipIf(leftOut)('on an installed host', () => {
  const found = new Map<string, Finding[]>();

  beforeAll(() => {
    requireBuilt();
    const { output } = runOnThrowawayHost(script, 80_000);
    expect(output).toMatch(/== end\n$/);
    expect(output).not.toContain('secret');
    for (const [, name = '', json = ''] of output.matchAll(/== (\S+)\n(\{[\s\S]*?\n\})\n/g)) {
      found.set(name, JSON.parse(json).findings);
    }
  }, 90_000);

  const lines = (name: string, level: Finding['level']) =>
    (found.get(name) ?? [])
      .filter((finding) => finding.level === level)
      .map(({ title, message }) => `${title}: ${message}`);

  test('the settings of the service are found, and the hint for a missing network configuration names its directory', () => {
    expect(lines('unconfigured', 'failure')).toEqual([]);
    expect(lines('unconfigured', 'warning')).toEqual([
      'files: none in /etc/cni/net.d and /etc/rkt/net.d uses this driver',
    ]);
    expect(lines('unconfigured', 'ok')).toContainEqual('login: as "cni" at grid.example.com');
    expect(lines('unconfigured', 'ok')).toContainEqual(
      expect.stringMatching(/^TLS: grid\.example\.com: the public key is the known/),
    );
  });

  test('an address of the host that the grid does not know is a failure, until it is reserved', () => {
    expect(lines('unreserved', 'failure')).toEqual([
      "this host's addresses: the grid does not know 172.18.1.7 (uplink): another host may give it to a container",
    ]);
    expect(lines('reserved', 'failure')).toEqual([]);
    expect(lines('reserved', 'ok')).toContain(
      "this host's addresses: the grid, too, regards 172.18.1.7 (uplink) as used",
    );
  });

  test('network configurations for other drivers are ignored', () => {
    expect(lines('reserved', 'ok').filter((line) => line.startsWith('files:'))).toEqual([
      'files: /etc/cni/net.d/10-net-1.conflist: network net-1',
    ]);
  });

  test('the state directory may belong only to root or the user of the service', () => {
    expect(lines('reserved', 'ok')).toContainEqual(
      expect.stringMatching(/^state directory: \/var\/lib\/infoblox-cni, mode 0700/),
    );
    expect(lines('reserved', 'warning')).toEqual([]);
    expect(lines('foreign-state', 'failure')).toContain(
      'state directory: /var/lib/infoblox-cni belongs to uid 4711, not to root',
    );
  });
});
