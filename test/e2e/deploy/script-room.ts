/** A directory with copies of the run-*.sh scripts, and stand-ins for programs that they run or that would change this host. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const deploy = join(import.meta.dirname, '../../../deploy');
export const isRoot = process.getuid?.() === 0;

export class ScriptRoom {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-scripts-'));

  constructor() {
    chmodSync(this.#directory, 0o755);
    for (const name of readdirSync(deploy).filter((file) => /^(run-|daemon-).*\.sh$/.test(file))) {
      copyFileSync(join(deploy, name), this.path(name));
    }
    mkdirSync(this.path('bin'));
    // Do not change directories of this host, and ignore its listeners.
    for (const name of ['mkdir', 'install']) this.standIn(name, 'exit');
    this.standIn('awk', 'exit 1');
  }

  path(...names: string[]): string {
    return join(this.#directory, ...names);
  }

  /** Replaces a program by a shell script. */
  standIn(program: string, script: string): void {
    writeFileSync(this.path('bin', program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  /** Removes a stand-in. */
  remove(program: string): void {
    rmSync(this.path('bin', program));
  }

  /** Writes the settings that the scripts read. */
  configure(env = 'DAEMON_FLAGS="--grid-host=grid.example.com --wapi-username=cni"\n', password = 'secret\n'): void {
    mkdirSync(this.path('etc'));
    writeFileSync(this.path('etc/daemon.env'), env);
    writeFileSync(this.path('etc/wapi-password'), password);
  }

  /** Runs a script. @param prelude of the shell, before it */
  run(
    script: string,
    { args = [], env = {}, uid = process.getuid?.() ?? 0, prelude = ':' }: Partial<ScriptRun> = {},
  ): SpawnSyncReturns<string> {
    const PATH = `${this.path('bin')}:/usr/bin:/bin`;
    const given = { PATH, CONFIG_DIR: this.path('etc'), UUID_FILE: this.path('uuid'), ...env };
    const command = ['-c', `${prelude}; exec "$0" "$@"`, this.path(script), ...args];
    return spawnSync('sh', command, { encoding: 'utf8', cwd: '/', env: given, uid });
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

export interface ScriptRun {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly uid: number;
  readonly prelude: string;
}
