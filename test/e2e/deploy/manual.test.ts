/** Manual pages and completion of a build, read by the programs that people use. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandNames } from '../../../src/modes/about.ts';
import { flags } from '../../../src/modes/daemon/config/flags.ts';

const project = join(import.meta.dirname, '../../..');
let share: string;

beforeAll(() => {
  share = mkdtempSync(join(tmpdir(), 'infoblox-cni-share-'));
  run(process.execPath, join(project, 'deploy/manual/write.ts'), share);
});
afterAll(() => rmSync(share, { recursive: true }));

/** Runs a program. @throws Error with its output if it fails or is missing */
function run(file: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${file}: ${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`);
  return stdout;
}

describe('manual pages', () => {
  const page = (name: string) => join(share, 'man/man8', `${name}.8`);

  test('pass mandoc without a remark', () => {
    const names = ['infoblox', 'infoblox-cni', 'infoblox-cni-daemon'].map(page);
    expect(run('mandoc', '-Tlint', '-Wwarning', ...names)).toBe('');
  });

  test('describe every command and every flag of the daemon, every key and every error code', () => {
    // Bold characters are written twice, with a backspace in between.
    const text = (name: string) =>
      run('mandoc', '-Tascii', page(name))
        .split('\b')
        .reduce((plain, next) => plain.slice(0, -1) + next);
    const daemon = text('infoblox-cni-daemon');
    for (const name of commandNames) expect(daemon).toMatch(new RegExp(`^   ${name}( |$)`, 'm'));
    for (const flag of Object.keys(flags).filter((name) => name !== 'version')) expect(daemon).toContain(`--${flag}`);
    const plugin = text('infoblox');
    for (const word of ['subnet', 'network-container', 'socket-dir', '101', '105']) {
      expect(plugin).toMatch(new RegExp(`^     ${word}`, 'm'));
    }
  });
});

describe('completion', () => {
  test('offers commands and then their flags in bash', () => {
    const script = join(share, 'bash-completion/completions/infoblox-cni-daemon');
    const offered = (...words: string[]) => {
      const line = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }
        _infoblox_cni_daemon; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return run('bash', '-c', line, script, 'infoblox-cni-daemon', ...words)
        .trim()
        .split('\n');
    };
    expect(offered('st')).toEqual(['status']);
    expect(offered('')).toEqual(expect.arrayContaining([...commandNames, '--grid-host=']));
    expect(offered('leases', '--ph')).toEqual(['--phase=']);
    expect(offered('gc', '--phase')).toEqual(['']);
    expect(offered('doctor', '--js')).toEqual(['--json']);
    expect(offered('doctor', '')).toEqual(['']);
    expect(offered('status', '')).toContain('--json');
    expect(offered('leases', '$(touch /nonexistent/x)')).toEqual(['']);
  });

  test('offers addresses, containers and pods of this host in bash, and evaluates no name', () => {
    const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-completion-'));
    const table = [
      'ADDRESS   PHASE  NETWORK  CONTAINER  WORKLOAD        SANDBOX',
      '10.0.0.2  bound  net-1    3f2b9c     shop/web-1      alive',
      `10.0.0.3  bound  net-1    77ab       $(touch ${directory}/x)  alive`,
    ];
    writeFileSync(join(directory, 'infoblox-cni'), `#!/bin/sh\ncat <<'END'\n${table.join('\n')}\nEND\n`, {
      mode: 0o755,
    });
    const script = join(share, 'bash-completion/completions/infoblox-cni');
    const offered = (...words: string[]) =>
      run(
        ...(['env', `PATH=${directory}:${process.env.PATH}`, 'bash', '-c'] as const),
        `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }
        _infoblox_cni; printf '%s\\n' "\${COMPREPLY[@]}"`,
        ...[script, 'infoblox-cni', ...words],
      )
        .trim()
        .split('\n');
    for (const command of ['whois', 'release', 'leases']) {
      expect(offered(command, '')).toEqual(['10.0.0.2', '10.0.0.3', '3f2b9c', '77ab', 'shop/web-1']);
    }
    expect(offered('release', '10.0.0.3')).toEqual(['10.0.0.3']);
    expect(offered('status', '')).not.toContain('10.0.0.2');
    expect(existsSync(join(directory, 'x'))).toBe(false);
    rmSync(directory, { recursive: true });
  });

  test('offers commands with descriptions and then their flags in fish', () => {
    const script = join(share, 'fish/vendor_completions.d/infoblox-cni-daemon.fish');
    const offered = (line: string) =>
      run('fish', '--no-config', '-c', `source ${script}; complete -C '${line}'`).trim().split('\n');
    expect(offered('infoblox-cni-daemon st')).toEqual([expect.stringMatching(/^status\tIs this host well/)]);
    expect(offered('infoblox-cni-daemon ').map((line) => line.split('\t')[0])).toEqual(commandNames.toSorted());
    expect(offered('infoblox-cni-daemon leases --ph')).toEqual([expect.stringMatching(/^--phase=?\tOnly pending/)]);
  });

  test('is valid for zsh, and names every command', () => {
    const script = join(share, 'zsh/site-functions/_infoblox-cni-daemon');
    run('zsh', '-n', script);
    const text = readFileSync(script, 'utf8');
    for (const name of commandNames) expect(text).toContain(`'${name}:`);
    const { stderr } = spawnSync('zsh', ['-fc', `autoload -U compinit; compinit -u -D; source ${script} 2>&1`], {
      encoding: 'utf8',
    });
    expect(stderr).not.toMatch(/parse error|command not found/);
  });
});
