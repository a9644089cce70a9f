/** The Debian package on a host of its own, installed, upgraded, removed and purged by the real dpkg. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deb, leftOut, madePackages, nextDeb, packageTimeoutMs, version } from './packages.ts';
import { ThrowawayRoot } from './throwaway-root.ts';

describe.skipIf(leftOut)('on a host with dpkg', () => {
  let packages: string;
  let root: ThrowawayRoot;
  const dpkg = 'dpkg --force-unsafe-io';
  /** Most of the tests do without the executable. */
  const install = `${dpkg} --install /packages/small/${deb}`;
  const upgrade = `${dpkg} --install /packages/small/${nextDeb}`;

  beforeAll(async () => {
    if (!leftOut) packages = await madePackages();
  }, packageTimeoutMs);
  beforeEach(async () => {
    root = await ThrowawayRoot.start(packages);
  });
  afterEach(() => root.stop());

  test('the driver is installed, and the operator gets the next steps', async () => {
    const output = await root.succeed(`${dpkg} --install /packages/${deb}`);
    expect(output).toContain('infoblox-cni: the user infoblox-cni, for the service');
    expect(output).toContain(
      "1. write the grid's address and user to /etc/infoblox-cni/daemon.env, and the password to",
    );
    expect(await root.succeed('infoblox-cni-daemon --version')).toContain(`infoblox-cni ${version} (`);
    const asked = `echo '{"cniVersion":"1.0.0"}' | CNI_COMMAND=VERSION /usr/lib/cni/infoblox`;
    expect(JSON.parse(await root.succeed(asked)).supportedVersions).toContain('1.1.0');
    expect(await root.succeed('stat -c %h /usr/bin/infoblox-cni')).toBe('2\n');
    expect(await root.succeed('mandoc -T ascii /usr/share/man/man8/infoblox-cni-daemon.8')).toContain('--grid-host');
    expect(await root.succeed('cat /usr/lib/systemd/system/infoblox-cni-daemon.service')).toContain(
      'ExecStart=/usr/bin/infoblox-cni-daemon $DAEMON_FLAGS',
    );
    expect(await root.succeed('stat -c "%U:%G %a" /run/cni/infoblox.owed')).toBe('root:infoblox-cni 2770\n');
    expect(await root.succeed('dpkg --verify infoblox-cni')).toBe('');
    expect((await root.run('systemctl is-enabled infoblox-cni-daemon')).output).toBe('disabled\n');
  });

  test('an upgrade keeps the files of the operator, and enabled units', async () => {
    await root.succeed(install);
    await root.succeed(`
      echo "DAEMON_FLAGS='--grid-host=grid.example.com'" >/etc/infoblox-cni/daemon.env
      echo secret >/etc/infoblox-cni/wapi-password
      echo '{}' >/etc/infoblox-cni/netconf/mine.conf
      mkdir -p /var/lib/infoblox-cni && echo leases >/var/lib/infoblox-cni/state.db
      systemctl enable infoblox-cni-daemon`);
    await root.succeed(upgrade);
    expect(await root.succeed('dpkg-query --show infoblox-cni')).toBe(`infoblox-cni\t${version}+next\n`);
    expect(
      await root.succeed(
        'cd /etc/infoblox-cni; cat daemon.env wapi-password netconf/mine.conf /var/lib/infoblox-cni/state.db',
      ),
    ).toBe("DAEMON_FLAGS='--grid-host=grid.example.com'\nsecret\n{}\nleases\n");
    expect(await root.succeed('stat -c %a /etc/infoblox-cni/daemon.env /etc/infoblox-cni/wapi-password')).toBe(
      '600\n600\n',
    );
    expect(await root.succeed('cat /etc/infoblox-cni/netconf/10-net-1.conf')).toContain('the next release');
    expect(await root.succeed('systemctl is-enabled infoblox-cni-daemon infoblox-cni.socket')).toBe(
      'enabled\nenabled\n',
    );
  });

  test('a removal leaves configuration and state, a purge only the state, and both report it', async () => {
    const before = root.written();
    await root.succeed(install);
    await root.succeed(`
      echo secret >/etc/infoblox-cni/wapi-password
      mkdir -p /var/lib/infoblox-cni && echo leases >/var/lib/infoblox-cni/state.db
      systemctl enable infoblox-cni-daemon`);
    const removed = await root.succeed(`${dpkg} --remove infoblox-cni`);
    expect(removed).toContain(
      'kept: configuration in /etc/infoblox-cni, state in /var/lib/infoblox-cni, and on the grid',
    );
    expect(await root.succeed('cat /etc/infoblox-cni/wapi-password /var/lib/infoblox-cni/state.db')).toBe(
      'secret\nleases\n',
    );
    expect((await root.run('ls /usr/bin/infoblox-cni /usr/lib/cni/infoblox')).status).not.toBe(0);

    const purged = await root.succeed(`${dpkg} --purge infoblox-cni`);
    expect(purged).toContain('kept: the state in /var/lib/infoblox-cni');
    expect(purged).toMatch(/gc --host=\S+` shows and releases them/);
    expect(purged).not.toContain("that are not this package's");
    expect((await root.run('ls -d /etc/infoblox-cni /run/cni')).output).not.toMatch(/^\//m);
    const system =
      /^\/(var\/(lib\/dpkg|lib\/systemd|log|cache)\/|etc\/(passwd|shadow|group|gshadow|subuid|subgid|\.pwd\.lock)(-|$))/;
    const left = root.written().filter((path) => !before.includes(path) && !system.test(path));
    expect(left).toEqual(['/var/lib/infoblox-cni/state.db']);
  });

  test('foreign files in the configuration directory stay after a purge, and are reported', async () => {
    await root.succeed(`${install}; echo key >/etc/infoblox-cni/client.key`);
    expect(await root.succeed(`${dpkg} --purge infoblox-cni`)).toContain(
      "kept: files in /etc/infoblox-cni that are not this package's",
    );
    expect(await root.succeed('find /etc/infoblox-cni -type f')).toBe('/etc/infoblox-cni/client.key\n');
  });

  test('the plugin is installed beside `bridge`, and a foreign plugin of that name is kept', async () => {
    await root.succeed('mkdir -p /opt/cni/bin; touch /opt/cni/bin/bridge');
    await root.succeed('echo original >/opt/cni/bin/infoblox; echo original >/usr/lib/cni/infoblox');
    expect(await root.succeed(install)).toContain('infoblox-cni: /opt/cni/bin/infoblox is another program: kept as');
    await root.succeed(upgrade);
    const everywhere = 'ls /opt/cni/bin /usr/lib/cni';
    const kept = ['bridge', 'infoblox', 'infoblox.replaced'];
    expect(await root.succeed(everywhere)).toBe(
      ['/opt/cni/bin:', ...kept, '', '/usr/lib/cni:', ...kept, ''].join('\n'),
    );
    expect(await root.succeed('cat /opt/cni/bin/infoblox.replaced /usr/lib/cni/infoblox.replaced')).toBe(
      'original\noriginal\n',
    );
    await root.succeed('cmp /opt/cni/bin/infoblox /usr/bin/infoblox-cni');
    expect(await root.succeed(`${dpkg} --purge infoblox-cni`)).toContain('removed /opt/cni/bin/infoblox');
    expect(await root.succeed(everywhere)).not.toMatch(/^infoblox$/m);
  });

  test('the package works on a host without systemd, too, and leaves it clean', async () => {
    await root.succeed(
      'rm /usr/bin/systemctl /usr/bin/systemd-sysusers /usr/bin/systemd-tmpfiles /usr/bin/deb-systemd-*',
    );
    await root.succeed(install);
    expect(await root.succeed('infoblox-cni-daemon --version')).toContain(version);
    await root.succeed(`${upgrade}; ${dpkg} --purge infoblox-cni`);
    expect((await root.run('ls -d /etc/infoblox-cni /usr/share/doc/infoblox-cni')).output).not.toMatch(/^\//m);
  });

  test('an older systemd gets a drop-in that accepts notifications, which is removed with the package', async () => {
    await root.succeed(`
      mv /usr/bin/systemctl /usr/bin/systemctl.real
      printf '#!/bin/sh\\necho "systemd 252 (252.39)"\\n' >/usr/bin/systemctl; chmod 0755 /usr/bin/systemctl`);
    await root.succeed(install);
    const dropIn = '/usr/lib/systemd/system/infoblox-cni-daemon.service.d';
    expect(await root.succeed(`cat ${dropIn}/old-systemd.conf`)).toBe('[Service]\nNotifyAccess=all\n');
    await root.succeed(`${dpkg} --remove infoblox-cni`);
    expect((await root.run(`ls -d ${dropIn}`)).status).not.toBe(0);
  });

  test('a unit of make install that overrides the package is reported, with the fix', async () => {
    const shadow = '/usr/local/lib/systemd/system/infoblox-cni-daemon.service';
    await root.succeed(`mkdir -p ${shadow.slice(0, shadow.lastIndexOf('/'))}; touch ${shadow}`);
    expect(await root.succeed(install)).toMatch(new RegExp(`${shadow} .* remove it with make uninstall`));
  });
});
