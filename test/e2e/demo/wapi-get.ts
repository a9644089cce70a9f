/** One WAPI read, like that of a person with curl. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { Grid } from '../../simulator/grid.ts';

/**
 * @param query object type and arguments, which follow the version in the URL
 * @returns the objects without their references
 * @throws Error if the grid cannot be reached or refuses
 */
export function wapiGet(grid: Grid, query: string): Promise<unknown[]> {
  const options = { ca: readFileSync(grid.caFile), auth: `${grid.username}:${grid.password}` };
  return new Promise((resolve, reject) => {
    const call = request(`${grid.url}/wapi/v2.3/${query}`, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`the grid answered ${response.statusCode}: ${text}`));
        const objects: Record<string, unknown>[] = JSON.parse(text);
        resolve(objects.map(({ _ref, ...fields }) => fields));
      });
    });
    call.on('error', reject);
    call.end();
  });
}
