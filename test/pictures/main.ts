/**
 * Makes the pictures of the documentation again from the build: `node test/pictures/main.ts [NAME...]`, by default all. A new
 * one is a file beside this and a line in the list.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import { startBrowser } from '../fixture/browser.ts';
import { dashboard } from './dashboard.ts';
import { doctor, leases, page, status } from './operator.ts';

/** Draws a picture in a browser. @returns PNG */
export type Picture = (browser: Browser, progress: (text: string) => void) => Promise<Uint8Array>;

const pictures: Readonly<Record<string, Picture>> = { dashboard, status, leases, doctor, page };

const directory = join(import.meta.dirname, '../../docs/pictures');

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !Object.hasOwn(pictures, name));
  if (unknown.length > 0) throw new Error(`no picture ${unknown.join()}: there is ${Object.keys(pictures).join(', ')}`);
  mkdirSync(directory, { recursive: true });
  const browser = await startBrowser();
  try {
    for (const [name, draw] of Object.entries(pictures)) {
      if (names.length > 0 && !names.includes(name)) continue;
      const png = await draw(browser, (text) => console.log(`${name}: ${text}`));
      const file = join(directory, `${name}.png`);
      writeFileSync(file, png);
      console.log(`${name}: ${file}, ${Math.round(png.length / 1000)} kB`);
    }
  } finally {
    await browser.close();
  }
}

await main(process.argv.slice(2));
