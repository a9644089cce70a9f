import { mayExist } from '../errors.ts';
import type { WapiClient } from '../wapi/client.ts';

/** Makes a network view if it is absent. */
export async function ensureView(grid: WapiClient, view: string, signal: AbortSignal): Promise<void> {
  const found = await grid.findReferences('networkview', { name: view }, signal);
  if (found.length > 0) return;
  try {
    await grid.createView(view, signal);
  } catch (error) {
    if (!mayExist(error) || (await grid.findReferences('networkview', { name: view }, signal)).length === 0)
      throw error;
  }
}
