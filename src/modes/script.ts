/** The scripts inside the executable beside the plugin's. Each is compiled only when it is used. */
import { createRequire } from 'node:module';
import { getAsset } from 'node:sea';
import { compileFunction } from 'node:vm';

/**
 * Compiles one of the scripts and runs it: its libraries would make every start of the plugin half as long again.
 * @param filename of the asset, as build.mjs names it
 * @returns what it exports
 */
export function loadScript<Exports>(filename: string): Exports {
  const run = compileFunction(getAsset(filename, 'utf8'), ['require', 'module', 'exports'], { filename });
  const script = { exports: {} as Exports };
  run(createRequire(process.execPath), script, script.exports);
  return script.exports;
}
