/**
 * A support bundle: what is known of this driver on this host, as files of an archive that can be given to others. Nothing in it
 * is a secret, and what it needs may be down: the daemon, the grid, systemd.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { createTar } from 'nanotar';
import type { Progress } from '../../operator-protocol.ts';
import type { Invocation } from '../command.ts';
import { daemonItems } from './daemon-items.ts';
import { Fields } from './fields.ts';
import { hostItems } from './host-items.ts';
import type { Item } from './item.ts';
import { serviceItems } from './service-items.ts';
import { stateFiles, stateItems } from './state-items.ts';

/** Of what the bundle is made. */
type Source = Omit<Invocation, 'flags'>;

interface BundleOptions {
  /** Whether names and addresses are masked. */
  readonly redact: boolean;
  /** Whether the state itself is in it. */
  readonly state: boolean;
  /** Told how far `doctor` has come, which takes the longest. */
  readonly onProgress: (progress: Progress) => void;
}

const folder = 'infoblox-cni-support';
/** Two blocks of zeros, of which tar(1) misses the second. */
const endOfTar = Buffer.alloc(1024);

/** Collects the files of a bundle. */
async function collect(source: Source, { redact, onProgress }: Omit<BundleOptions, 'state'>): Promise<Item[]> {
  const { daemonFlags: flags } = source;
  const fields = new Fields(redact);
  return [
    ...(await serviceItems(source, fields)),
    ...(await hostItems(flags, fields)),
    ...(await daemonItems(source, fields, onProgress)),
    await stateItems(flags['state-dir']),
  ];
}

/** Makes the archive of it, gzipped. */
export async function archive(
  source: Source,
  { state, ...options }: BundleOptions,
): Promise<{ data: Uint8Array; items: Item[] }> {
  const items = await collect(source, options);
  const files = [
    { name: 'README', data: readme(items, options.redact) },
    ...items.map(({ name, text }) => ({ name, data: text })),
    ...(state ? stateFiles(source.daemonFlags['state-dir']) : []),
  ];
  const named = files.map(({ name, data }) => ({ name: `${folder}/${name}`, data }));
  const tar = createTar(named, { attrs: { mode: '600', uid: 0, gid: 0, mtime: Date.now() } });
  return { data: await promisify(gzip)(Buffer.concat([tar, endOfTar])), items };
}

function readme(items: readonly Item[], redact: boolean): string {
  const names = redact
    ? 'Names and addresses are masked, the same by the same pseudonym; texts in which one may stand are left out.'
    : 'Names and addresses are as they are: support-bundle --redact masks them.';
  const lines = items.map(({ name, isThere }) => `  ${name}${isThere ? '' : ' (says why not)'}`);
  return `infoblox-cni support bundle of ${new Date().toISOString()}

Only fields that are known to hold no secret are in it. ${names}
Look through it before you give it to others.

${lines.join('\n')}
`;
}
