/** The scripts and texts inside the executable beside the plugin's script, compressed (build.mjs). */
import { createRequire } from 'node:module';
import { getRawAsset } from 'node:sea';
import { compileFunction } from 'node:vm';
import { brotliDecompressSync } from 'node:zlib';

/**
 * Compiles and runs a script on first use: its libraries in the plugin's script would make each plugin start half as
 * long again.
 * @param filename of the asset, as build.mjs names it
 * @returns the script's exports
 */
export function loadScript<Exports>(filename: string): Exports {
  const run = compileFunction(assetText(filename), ['require', 'module', 'exports'], { filename });
  const script = { exports: {} as Exports };
  run(createRequire(process.execPath), script, script.exports);
  return script.exports;
}

/** Returns the text of an asset. */
export function assetText(name: string): string {
  return brotliDecompressSync(new Uint8Array(getRawAsset(name))).toString();
}
