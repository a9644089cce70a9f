/** Variables that make Node load or run other code have no effect on the built executable. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { daemonFile, pluginFile, run } from './program.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-variables-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe.each([
  [
    'the plugin',
    () => run(pluginFile, [], { CNI_COMMAND: 'VERSION', ...variables() }, { pipe: '{"cniVersion":"1.0.0"}' }),
  ],
  ['the daemon', () => run(daemonFile, ['--version'], variables())],
])('%s', (_, start) => {
  test('works, whatever NODE_OPTIONS and OPENSSL_CONF contain', async () => {
    const { exitCode, stdout, stderr } = await start();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).not.toBe('');
    expect(existsSync(join(directory, 'loaded'))).toBe(false);
  });
});

/** Makes variables with a script that Node would run first, and a configuration with which OpenSSL would not start. */
function variables(): Record<string, string> {
  const script = join(directory, 'script.cjs');
  writeFileSync(script, `require('node:fs').writeFileSync(${JSON.stringify(join(directory, 'loaded'))}, '')`);
  const configuration = join(directory, 'openssl.cnf');
  writeFileSync(configuration, '.include /nonexistent/openssl.cnf\n');
  return { NODE_OPTIONS: `--require=${script}`, OPENSSL_CONF: configuration };
}
