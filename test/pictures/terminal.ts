/** The output of a command on a terminal. */
import type { Browser } from 'puppeteer-core';

const style = `
  body { margin: 0; background: #12161c; }
  pre { margin: 0; padding: 18px 22px; width: max-content; font: 14px/1.45 'DejaVu Sans Mono', monospace; color: #d7dde6; }
  b { color: #7fd6a2; font-weight: normal; }
`;

/** Draws a command line and its output. @returns PNG */
export async function terminal(browser: Browser, line: string, printed: string): Promise<Uint8Array> {
  const page = await browser.newPage();
  await page.setContent('<pre></pre>');
  await page.addStyleTag({ content: style });
  // Inserted as text: names from a grid or a runtime must not become markup.
  await page.evaluate(
    `{ const pre = document.querySelector('pre'); const typed = document.createElement('b');
       typed.textContent = ${JSON.stringify(`# ${line}\n`)}; pre.append(typed, ${JSON.stringify(printed)}); }`,
  );
  const screen = await page.$('pre');
  if (screen === null) throw new Error('nothing is drawn');
  const png = await screen.screenshot({ type: 'png' });
  await page.close();
  return png;
}
