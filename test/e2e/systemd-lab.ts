/**
 * A systemd in namespaces of its own, except for the network, that runs the shipped unit with the built daemon. Notification,
 * watchdog and sandbox are the real ones. It needs root, a cgroup2 file system, and the Debian package systemd.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeControlGroup, removeControlGroup } from '../fixture/control-group.ts';
import { until } from '../fixture/host.ts';
import { firstProcess } from '../fixture/unshared.ts';
import { dist, type Run, requireBuilt, run } from './program.ts';

const manager = '/lib/systemd/systemd';
const service = 'infoblox-cni-daemon.service';
const socket = 'infoblox-cni.socket';
const shipped = join(import.meta.dirname, '../../deploy/systemd');
/** Empty targets that systemd requires. */
const targets = ['default', 'sysinit', 'basic', 'shutdown', 'network', 'exit', 'sockets'];

export class SystemdLab {
  readonly directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-systemd-'));
  readonly #units = join(this.directory, 'units');
  readonly #cgroup: string;
  #configured = '';
  readonly #child: ChildProcess;

  /** @param cgroup an empty control group for it */
  private constructor(cgroup: string) {
    this.#cgroup = cgroup;
    mkdirSync(this.#units);
    for (const name of targets) this.#write(`${name}.target`, '[Unit]\nDefaultDependencies=no\n');
    for (const unit of [service, socket]) this.#writeUnit(unit, readFileSync(join(shipped, unit), 'utf8'));
    this.dropIn('lab', `[Service]\nStandardError=append:${this.directory}/log\n`);
    writeFileSync(join(this.directory, 'boot'), this.#bootScript());
    const script = `echo $$ > ${this.#cgroup}/cgroup.procs && exec unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --mount-proc /bin/sh ${this.directory}/boot`;
    this.#child = spawn('/bin/sh', ['-c', script], { stdio: 'ignore' });
  }

  /** @returns undefined, with the reason printed, if this machine does not allow it */
  static async start(): Promise<SystemdLab | undefined> {
    const leaveOut = (reason: string) =>
      void process.stderr.write(`left out: the unit is not run by a real systemd, ${reason}\n`);
    if (process.getuid?.() !== 0) return leaveOut('that needs root');
    if (spawnSync(manager, ['--version']).status !== 0) return leaveOut('this host has none (Debian: systemd)');
    const cgroup = makeControlGroup();
    if (cgroup === undefined) return leaveOut('this host has no cgroup2 file system that can be written to');
    let lab: SystemdLab | undefined;
    try {
      requireBuilt();
      lab = new SystemdLab(cgroup);
      const started = lab;
      const isRunning = async () => (await started.systemctl('is-system-running', '--quiet')).exitCode === 0;
      await until('systemd runs', isRunning);
      return lab;
    } catch (error) {
      await lab?.stop();
      return leaveOut(error instanceof Error ? error.message : String(error));
    }
  }

  /** Replaces the settings that a test adds to the unit, and runs `systemctl daemon-reload`. */
  async configure(settings: string): Promise<void> {
    if (settings === this.#configured) return;
    this.#configured = settings;
    this.dropIn('test', `[Service]\n${settings}\n`);
    await this.systemctl('daemon-reload');
  }

  /** Replaces the text of the service's unit, by default with the shipped one. */
  async replaceUnit(text = readFileSync(join(shipped, service), 'utf8')): Promise<void> {
    this.#writeUnit(service, text);
    await this.systemctl('daemon-reload');
  }

  dropIn(name: string, ...sections: string[]): void {
    mkdirSync(join(this.#units, `${service}.d`), { recursive: true });
    this.#write(`${service}.d/${name}.conf`, sections.join(''));
  }

  /** Writes the files of `make install` in /etc/infoblox-cni. @param variables further lines of daemon.env */
  settings(flags: string, password: string, variables = ''): void {
    writeFileSync(join(this.directory, 'daemon.env'), `DAEMON_FLAGS='${flags}'\n${variables}`);
    writeFileSync(join(this.directory, 'wapi-password'), password, { mode: 0o600 });
  }

  systemctl(...args: string[]): Promise<Run> {
    return this.run(['systemctl', ...args]);
  }

  /** Returns a property of the service. */
  async property(name: string): Promise<string> {
    return (await this.systemctl('show', service, '--value', '-p', name)).stdout.trim();
  }

  /** Runs a program in the namespaces of this systemd. */
  run(command: readonly string[], env: Readonly<Record<string, string>> = {}, stdin = ''): Promise<Run> {
    const inside = ['-t', String(firstProcess(this.#child)), '-p', '-m', '-u', '-i', '-C', '--', ...command];
    const PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin';
    return run('/usr/bin/nsenter', inside, { PATH, ...env }, { pipe: stdin }, 60_000);
  }

  /** Returns the daemon's log since `forget`. */
  get log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  forget(): void {
    writeFileSync(join(this.directory, 'log'), '');
  }

  async stop(): Promise<void> {
    const { pid } = this.#child;
    if (pid !== undefined && this.#child.exitCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      const systemd = firstProcess(this.#child);
      if (systemd !== undefined) process.kill(systemd, 'SIGKILL');
      else this.#child.kill('SIGKILL');
      await ended;
    }
    await removeControlGroup(this.#cgroup);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #writeUnit(name: string, text: string): void {
    const own = text.replaceAll(/\/(etc\/infoblox-cni|sys\/class\/dmi\/id)\//g, `${this.directory}/`);
    this.#write(name, own.replace('[Unit]\n', '[Unit]\nDefaultDependencies=no\n'));
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#units, name), text);
  }

  /** Prepares a file system of their own for systemd and the service, with the host's programs, and the executable of the unit. */
  #bootScript(): string {
    return `set -e
mount --make-rprivate /
mount --make-rshared /
for place in $(grep -o ' /run/[^ ]* ' /proc/mounts); do umount -l $place 2>/dev/null || true; done
for place in /run /var/lib /usr/local/bin; do mount -t tmpfs -o mode=0755 tmpfs $place; done
mkdir -p /run/netns /run/tmpfiles.d
cp -a /etc /run/etc
mount --bind /run/etc /etc
systemd-sysusers ${shipped}/infoblox-cni.sysusers.conf
cp ${shipped}/infoblox-cni.tmpfiles.conf /run/tmpfiles.d/infoblox-cni.conf
umount -R -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
touch /usr/local/bin/infoblox-cni
mount --bind ${dist}/infoblox-cni /usr/local/bin/infoblox-cni
ln -s infoblox-cni /usr/local/bin/infoblox-cni-daemon
ln -s infoblox-cni /usr/local/bin/infoblox
export container=test SYSTEMD_UNIT_PATH=${this.#units}
exec ${manager} --system --unit=default.target --log-target=null --show-status=no
`;
  }
}
