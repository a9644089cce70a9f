/** A support bundle of a host with a secret in every possible place. */
import { describe, expect, test } from 'vitest';
import { hostObstacle, runOnThrowawayHost } from '../docs/throwaway-host.ts';
import { requireBuilt } from '../program.ts';

const obstacle = hostObstacle();
const leftOut = obstacle !== undefined && process.env.CI === undefined;

/** Adds an address for the container of a pod. */
const add = (id: string) =>
  `echo '{"cniVersion":"1.0.0","name":"net-1","type":"bridge","ipam":{"type":"infoblox","subnet":"172.18.1.0/24","network-view":"priv-view"}}' |
  CNI_COMMAND=ADD CNI_CONTAINERID=${id} CNI_IFNAME=eth0 CNI_NETNS=/run/netns/${id} CNI_PATH=/opt/cni/bin CNI_ARGS='K8S_POD_NAME=web-1;K8S_POD_NAMESPACE=shop' /opt/cni/bin/infoblox`;

/** A host with the daemon as a service, and a secret in every place. Each begins with "planted". */
const planted = `
wait_for() { for _ in $(seq 300); do if eval "$1" >/dev/null 2>&1; then return; fi; sleep 0.1; done; echo "waited in vain for $1"; exit 1; }
install -d /etc/infoblox-cni /etc/cni/net.d /etc/systemd/system/infoblox-cni-daemon.service.d /opt/cni/bin
cat >/etc/infoblox-cni/daemon.env <<'END'
DAEMON_FLAGS='--grid-host=grid.example.com --wapi-username=svc-paris --wapi-password=planted-flag --node-name=host-7 --cluster-name=blue --labels="Site=Paris"'
WAPI_PASSWORD="planted environment"
PROXY=http://proxyuser:planted-proxy@proxy.example.com:3128
OTEL_EXPORTER_OTLP_HEADERS=x-api-key=planted-header
OTEL_EXPORTER_OTLP_ENDPOINT=http://user:planted-collector@127.0.0.1:4318/planted
END
(umask 077; echo planted-file >/etc/infoblox-cni/wapi-password)
printf -- '-----BEGIN PRIVATE KEY-----\\nplanted-key\\n-----END PRIVATE KEY-----\\n' >/etc/infoblox-cni/client.key
cp "$PROJECT/deploy/systemd/infoblox-cni-daemon.service" /etc/systemd/system
cat >/etc/systemd/system/infoblox-cni-daemon.service.d/local.conf <<'END'
[Service]
Environment="WAPI_PASSWORD=planted-drop-in" OTHER=x
SetCredential=wapi-password:planted-credential
ExecStart=/usr/local/bin/infoblox-cni-daemon --wapi-password planted-exec
END
cat >/etc/cni/net.d/10-net-1.conflist <<'END'
{"cniVersion":"1.0.0","name":"net-1","plugins":[
  {"type":"bridge","ipam":{"type":"infoblox","subnet":"172.18.1.0/24","network-view":"priv-view","password":"planted-member"},
   "args":{"cni":{"labels":["planted-argument"]}}},
  {"type":"firewall","policy":"planted-policy"}]}
END
echo '{"type":"bridge","ipam":{"type":"infoblox","wapi-password":"planted-broken"' >/etc/cni/net.d/20-broken.conf
cat >/opt/cni/bin/journalctl <<'END'
#!/bin/sh
cat <<'LINES'
{"__REALTIME_TIMESTAMP":"1767772947000000","MESSAGE":"{\\"level\\":\\"info\\",\\"message\\":\\"ADD\\",\\"container\\":\\"77ab\\",\\"pod\\":\\"web-9\\",\\"namespace\\":\\"shop\\",\\"network\\":\\"net-1\\",\\"address\\":\\"172.18.1.9\\",\\"header\\":\\"planted-field\\"}"}
{"__REALTIME_TIMESTAMP":"1767772948000000","MESSAGE":"Authorization: Basic cGxhbnRlZC1mbGFn and ibapauth=\\"planted-cookie,x\\""}
{"__REALTIME_TIMESTAMP":"1767772949000000","MESSAGE":"infoblox-cni-daemon: cannot listen at grid.example.com"}
{"__REALTIME_TIMESTAMP":"1767772950000000","MESSAGE":"planted unit","EXIT_CODE":"exited","EXIT_STATUS":"2","PLANTED":"planted"}
LINES
END
chmod +x /opt/cni/bin/journalctl
export PATH="/opt/cni/bin:$PATH"
node test/simulator/main.ts --port 443 --username svc-paris --password planted-flag >simulator.log 2>&1 &
wait_for 'curl -sk https://grid.example.com/'
env WAPI_PASSWORD=planted-flag infoblox-cni-daemon --grid-host=grid.example.com --wapi-username=svc-paris --ssl-verify=pin \\
  --node-name=host-7 --cluster-name=blue >daemon.log 2>&1 &
wait_for 'test -S /run/cni/infoblox.sock'
ln -s "$PROJECT/dist/infoblox" /opt/cni/bin/infoblox
${add('4f1c')}
`;

describe.skipIf(leftOut)('with a secret in every place', () => {
  test('a bundle contains none of them, in any encoding', () => {
    requireBuilt();
    const { output } = runOnThrowawayHost(
      `${planted}
infoblox-cni-daemon support-bundle --ssl-verify=pin --wapi-password=planted-flag --output=bundle.tar.gz
env WAPI_PASSWORD=planted-caller infoblox-cni-daemon support-bundle --ssl-verify=pin --grid-host=https://u:planted-host@grid --output=second.tar.gz
mkdir unpacked && tar -xzf bundle.tar.gz -C unpacked && tar -xzf second.tar.gz --one-top-level=unpacked/second
echo "found: $(grep -riE 'planted|cGxhbnRlZ' unpacked | tr '\\n' ' ')"
find unpacked/infoblox-cni-support -type f | sed 's/^unpacked.infoblox-cni-support./file: /'
cat unpacked/infoblox-cni-support/{flags.json,variables.json,log,network-configurations.json}
`,
      80_000,
    );
    expect(output).toMatch(/^found: $/m);
    const files = [...output.matchAll(/^file: (.*)$/gm)].map(([, name]) => name);
    expect(files).toEqual(
      expect.arrayContaining([
        ...['README', 'versions.json', 'system.json', 'os-release.json', 'flags.json', 'variables.json'],
        ...['log', 'status.json', 'leases.json', 'doctor.json', 'network-configurations.json'],
      ]),
    );
    // The text beside the secrets is kept.
    expect(output).toMatch(/"wapi-password": "\[set\]"/);
    expect(output).toMatch(/"node-name": "host-7"/);
    expect(output).toMatch(/"OTEL_EXPORTER_OTLP_HEADERS": "\[set\]"/);
    expect(output).toMatch(/"OTEL_EXPORTER_OTLP_ENDPOINT": "http:\/\/127\.0\.0\.1:4318"/);
    expect(output).toMatch(/^\{"level":"info","message":"ADD",.*"address":"172\.18\.1\.9"\}$/m);
    expect(output).toMatch(
      /^\{"at":"2026-01-07T08:02:29\.000Z","said":"infoblox-cni-daemon: cannot listen at grid\.example\.com"\}$/m,
    );
    expect(output).toMatch(
      /^\{"at":"2026-01-07T08:02:30\.000Z","EXIT_CODE":"exited","EXIT_STATUS":"2"\}\n\{"leftOut":1\}$/m,
    );
    expect(output).toMatch(/"subnet": "172\.18\.1\.0\/24"/);
    expect(output).toMatch(/"file": "\/etc\/cni\/net\.d\/20-broken\.conf",\n +"error": "no JSON"/);
  });

  test('--redact also replaces names, the same one always by the same pseudonym', () => {
    requireBuilt();
    // The mark has a shortened form.
    const longId = `in-full-${'x'.repeat(80)}`;
    const names =
      'in-full|host-7|paris|priv-view|net-1|4f1c|77ab|web-1|web-9|shop|172\\.18|grid\\.example|node=blue|cluster=blue';
    const { output } = runOnThrowawayHost(
      `${planted}
${add(longId)}
infoblox-cni-daemon support-bundle --ssl-verify=pin --redact --output=bundle.tar.gz
mkdir unpacked && tar -xzf bundle.tar.gz -C unpacked
echo "found: $(grep -rniE 'planted|${names}' unpacked | tr '\\n' ' ')"
echo "named: $(find unpacked | grep -E '${names}')"
echo "host: $(hostname) $(grep -c "$(hostname)" unpacked/infoblox-cni-support/system.json)"
cat unpacked/infoblox-cni-support/{leases.json,log,flags.json}
`,
      80_000,
    );
    expect(output).toMatch(/^found: $/m);
    expect(output).toMatch(/^named: $/m);
    expect(output).toMatch(/^host: \S+ 0$/m);
    expect(output).toMatch(/"containerId": "container~\d+"/);
    const [, network] = /"network": "(network~\d+)"/.exec(output) ?? [];
    expect(output).toMatch(new RegExp(`"pod":"pod~\\d+","namespace":"namespace~\\d+","network":"${network}"`));
    expect(output).toMatch(/"wapi-username": "user~1",\n +"wapi-password": "\[set\]"/);
  });
});
