/**
 * Runs each block of commands of the documentation, in the order of its page, on a throwaway host with the built executable
 * and a simulated grid. A block that cannot run gives the reason: `<!-- not run: REASON -->`.
 */
import { describe, expect, test } from 'vitest';
import { type Block, blocksOf, pages } from '../../fixture/pages.ts';
import { requireBuilt } from '../program.ts';
import { outputPattern } from './console.ts';
import { hostObstacle, runOnThrowawayHost } from './throwaway-host.ts';

/** In CI, where everything is installed, the tests fail instead of being skipped. */
const obstacle = hostObstacle();
const leftOut = obstacle !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write(`left out: the commands of the documentation: ${obstacle}\n`);

/** docs/walk-through.md needs two hosts: see walk-through/walk-through.test.ts. */
const documented = pages.filter(
  (page) => page === 'README.md' || (page.startsWith('docs/') && page !== 'docs/walk-through.md'),
);
const languages = ['sh', 'console', 'json', 'ini', 'text', 'mermaid'];

/** Replacements of commands: the build exists already, and make would first look for a toolchain. */
const substitutions: readonly (readonly [RegExp, string])[] = [
  [/\bmake simulator\b/g, 'node test/simulator/main.ts'],
  [/\bmake demo\b/g, 'node test/demo/main.ts'],
];

/** Waits until a command succeeds, for at most 30 seconds. */
const waitFor = `wait_for() { for _ in $(seq 300); do if eval "$1" >/dev/null 2>&1; then return; fi; sleep 0.1; done; echo "waited in vain for $1"; exit 1; }`;

/** Appends the last lines of all files of the script, including logs, to its output if it fails. */
const onFailure = `trap '[ $? = 0 ] || find . -maxdepth 1 -type f -name "*.*" -exec tail -v -n 20 {} +' EXIT`;

/** A host on which the driver is installed. */
const installed = `
install -d /etc/infoblox-cni && (umask 077; echo secret >/etc/infoblox-cni/wapi-password)
echo "DAEMON_FLAGS='--grid-host=grid.example.com --wapi-username=cni --ssl-verify=pin --node-name=host-7'" >/etc/infoblox-cni/daemon.env
install -d /opt/cni/bin && ln -s "$PROJECT/dist/infoblox" /opt/cni/bin/infoblox
`;

/** The same with a serving daemon, and a grid named grid.example.com. */
const serving = `${installed}
node test/simulator/main.ts --port 443 --username cni --password secret --attribute 'Tenant ID' >simulator.log 2>&1 &
wait_for 'curl -sk https://grid.example.com/'
infoblox-cni-daemon --grid-host=grid.example.com --wapi-username=cni --wapi-password-file=/etc/infoblox-cni/wapi-password \\
  --ssl-verify=pin --node-name=host-7 --block-size=16 --metrics-listen=127.0.0.1:9477 >daemon.log 2>&1 &
wait_for 'test -S /run/cni/infoblox.sock'
`;

/** A host of the stopped original driver: its plugin, its network, and its objects on the grid. */
const original = `
echo 'the plugin of the original' >/usr/lib/cni/infoblox
install -d /etc/cni/net.d && echo '{"cniVersion":"0.3.1","name":"net-1","type":"bridge","bridge":"cni0","ipam":{"type":"infoblox","subnet":"172.18.1.0/24","gateway":"172.18.1.1"}}' >/etc/cni/net.d/10-net-1.conf
node test/simulator/main.ts --port 443 --username cni --password secret --cloud-licence >simulator.log 2>&1 &
wait_for 'curl -sk https://grid.example.com/'
as_original() {
  curl -sSk -u cni:secret -H 'content-type: application/json' -d '{'"$2"',"extattrs":{"Cloud API Owned":{"value":"True"},"CMP Type":{"value":"Kubernetes"},"Tenant ID":{"value":"cluster-1"},'"$3"'}}' "https://grid.example.com/wapi/v2.5/$1"
}
as_original network '"network_view":"default","network":"172.18.1.0/24"' '"Network Name":{"value":"net-1"}'
address='"network_view":"default","network":"172.18.1.0/24"'
as_original fixedaddress "$address"',"ipv4addr":"172.18.1.1","mac":"00:00:00:00:00:00","name":""' '"VM ID":{"value":"N/A"}'
next="$address"',"ipv4addr":"func:nextavailableip:172.18.1.0/24,default"'
as_original fixedaddress "$next"',"mac":"0a:58:ac:12:01:02","name":"web-1"' '"VM ID":{"value":"85f177f2f198"}'
as_original fixedaddress "$next"',"mac":"0a:58:ac:12:01:03","name":""' '"VM ID":{"value":"c0ffee00c0de"}'
`;

/** A container of this host. */
const container = `
echo '{"cniVersion":"1.0.0","name":"net-1","type":"bridge","ipam":{"type":"infoblox","subnet":"172.18.1.0/24"}}' >net-1.json
CNI_COMMAND=ADD CNI_CONTAINERID=4f1c CNI_IFNAME=eth0 CNI_NETNS=/run/netns/4f1c CNI_PATH=/opt/cni/bin /opt/cni/bin/infoblox <net-1.json
`;

/** What else a page assumes: a container of this host, and the reservations of a lost host. */
const before: Readonly<Record<string, string>> = {
  'docs/migration.md': original,
  'docs/monitoring.md': container,
  'docs/troubleshooting.md': `
ln -s "$ROOM/main-plugins/bridge" /opt/cni/bin/bridge && mkdir empty && mount --bind empty /usr/lib/cni
install -d /etc/cni/net.d
echo '{"cniVersion":"1.0.0","name":"net-1","plugins":[{"type":"bridge","isGateway":true,"ipam":{"type":"infoblox","subnet":"172.18.1.0/24","gateway":"172.18.1.1"}}]}' >/etc/cni/net.d/10-net-1.conflist
on_grid() { curl -sSk -u cni:secret -H 'content-type: application/json' "https://grid.example.com/wapi/v2.3/$1" -d "$2"; }
on_grid network '{"network":"172.18.1.0/24"}'
on_grid range '{"start_addr":"172.18.1.1","end_addr":"172.18.1.254","server_association_type":"MEMBER"}'
`,
  'docs/operations.md': `
${container}CNI_COMMAND=DEL CNI_CONTAINERID=other CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin /opt/cni/bin/infoblox <net-1.json
echo 'machine grid.example.com login cni password secret' >~/.netrc-grid
for id in 77ab 77ac; do
  echo '{"ipv4addr":"func:nextavailableip:172.18.1.0/24","mac":"00:00:00:00:00:00","comment":"infoblox-cni cluster=cluster-1 node=host-9 network=net-1 container='$id' interface=eth0"}' |
    curl -sSk --netrc-file ~/.netrc-grid -H 'content-type: application/json' -d @- https://grid.example.com/wapi/v2.3/fixedaddress
done
`,
};

/** The host that a page assumes, by default a serving one: before the installation, or without a daemon. */
const hosts: Readonly<Record<string, string>> = {
  'README.md': '',
  'docs/configuration.md': installed,
  'docs/install.md': '',
  'docs/kubernetes.md': installed,
  'docs/logs.md': installed,
  'docs/migration.md': '',
};

const mark = '\u0001';

/** Runs a console block: a command after each `$ `, then its output, in which `...` stands for omitted text. */
function steps({ text }: Block): { command: string; output: string }[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [, command = '', output = ''] = /^((?:.*\\\n)*.*)\n?([\s\S]*)$/.exec(step) ?? [];
      return { command, output };
    });
}

function scriptOf(block: Block, index: number): string {
  const until = /^background: until (.*)$/.exec(block.comment ?? '')?.[1];
  const sooner = /^wait: (.*)$/.exec(block.comment ?? '')?.[1];
  const text = substitutions.reduce((all, [command, substitute]) => all.replace(command, substitute), block.text);
  if (until !== undefined) return `{\n${text}\n} >background.${index} 2>&1 &\nwait_for ${quoted(until)}\n`;
  if (block.language === 'sh') return `${text}\n`;
  return `${sooner === undefined ? '' : `wait_for ${quoted(sooner)}\n`}set +e\n${steps({ ...block, text })
    .map(({ command }) => `${command}\nprintf '${mark}output\\n'\n`)
    .join('')}set -e\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

test('every block has a known language', () => {
  for (const { page, line, language } of documented.flatMap(blocksOf)) {
    expect(languages, `${page}:${line}`).toContain(language);
  }
});

describe.skipIf(leftOut)('the commands run', () => {
  const runnable = documented
    .map((page) => {
      const commands = blocksOf(page).filter(({ language }) => language === 'sh' || language === 'console');
      return { page, blocks: commands.filter(({ comment = '' }) => !/^not run: \w/.test(comment)) };
    })
    .filter(({ blocks }) => blocks.length > 0);

  test.each(runnable)('of $page', ({ page, blocks }) => {
    requireBuilt();
    const script = [
      onFailure,
      waitFor,
      hosts[page] ?? serving,
      before[page] ?? '',
      ...blocks.map((block, index) => `printf '${mark}${index}\\n'\n${scriptOf(block, index)}`),
      `printf '${mark}end\\n'`,
    ].join('\n');
    const { status, output } = runOnThrowawayHost(script, 80_000);
    const reached = [...output.matchAll(new RegExp(`${mark}(\\d+)\\n`, 'g'))].at(-1)?.[1];
    const last = reached === undefined ? 'the preparation' : `${page}:${blocks[Number(reached)]?.line}`;
    expect(output.endsWith(`${mark}end\n`), `status ${status} at ${last}:\n${output.slice(-4_000)}`).toBe(true);
    for (const [index, block] of blocks.entries()) {
      if (block.language !== 'console') continue;
      const [, own = ''] =
        new RegExp(`${mark}${index}\\n([\\s\\S]*?)${mark}(?:${index + 1}|end)\\n`).exec(output) ?? [];
      expect(steps(block), `${page}:${block.line} has no "$ "`).not.toEqual([]);
      const printed = own.split(`${mark}output\n`);
      for (const [at, step] of steps(block).entries()) {
        expect(printed[at]?.trim(), `${page}:${block.line}: ${step.command}`).toMatch(outputPattern(step.output));
      }
    }
  });
});
