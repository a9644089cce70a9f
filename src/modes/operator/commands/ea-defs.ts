/** `ea-defs` lists the extensible attributes that the driver writes, and which of them the grid defines. Works without the daemon. */
import { type AttributeDefinition, attributeDefinitions } from '../../../infoblox/attributes.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { GridInspection } from '../../../infoblox/wapi/inspection.ts';
import type { Column } from '../../status-text.ts';
import { daemonPlace, defineCommand, flag, gridFlags, json } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { table } from '../output/results.ts';
import { showingProgress } from '../output/terminal.ts';

const own = { create: flag('Define missing attributes on the grid, which only superusers may') };

/** An attribute that the driver writes, and its definition on the grid. */
interface Found extends AttributeDefinition {
  /** Its type on the grid; null if it is not defined. */
  readonly definedAs: string | null;
  /** Whether this command defined it. */
  readonly created: boolean;
}

export const eaDefs = defineCommand({
  examples: [
    ['ea-defs', 'List them as the service would write them, with its settings'],
    [
      'ea-defs --create --wapi-username=admin --wapi-password-file=/etc/infoblox-cni/admin-password',
      'Define missing attributes',
    ],
  ],
  groups: { Attributes: own, Output: json, 'Infoblox grid': gridFlags, Daemon: daemonPlace },
  asksForFlags: true,
  async run({ flags, ...settings }) {
    // Loaded only here: the grid's client would slow the start of every command.
    const { withGrid } = await import('../grid.ts');
    return withGrid(settings, async ({ inspection }, { labels }, signal) => {
      const found: Found[] = [];
      const visible = await showingProgress('asking the grid', async () => {
        const defined = await Array.fromAsync(inspection.attributes(signal));
        const types = new Map(defined.map(({ name, type }) => [name, type]));
        for (const attribute of attributeDefinitions(labels)) {
          const known = types.get(attribute.name) ?? null;
          const created = flags.create === true && known === null && (await create(inspection, attribute, signal));
          found.push({ ...attribute, definedAs: created ? attribute.type : known, created });
        }
        return defined.length;
      });
      return { value: found, text: () => `${table(columns, found)}\n${conclusion(found, visible)}\n` };
    });
  },
});

/** Defines an attribute. @returns false if it exists, invisible to this user @throws CommandError */
async function create(
  inspection: GridInspection,
  attribute: AttributeDefinition,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await inspection.defineAttribute(attribute, signal);
    return true;
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    if (error.reason === 'conflict') return false;
    const hint = ['permission', 'rejected'].includes(error.reason)
      ? 'only superusers define attributes: name one with --wapi-username and --wapi-password-file this once, or have the DDI team define the missing ones'
      : error.hint;
    throw new CommandError(`cannot define "${attribute.name}": ${error.message}`, hint);
  }
}

const columns: readonly Column<Found>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'TYPE', cell: ({ type, values }) => (values === undefined ? type : `${type} ${values.join(', ')}`) },
  { title: 'DEFINED', cell: definedText },
  { title: 'WHAT IT SAYS', cell: ({ comment }) => comment },
];

function definedText({ type, definedAs, created }: Found): string {
  if (created) return 'created';
  if (definedAs === null) return 'no';
  return definedAs === type ? 'yes' : `as ${definedAs}`;
}

/** @param visible how many definitions the grid has shown */
function conclusion(found: readonly Found[], visible: number): string {
  const missing = found.filter(({ definedAs }) => definedAs === null).length;
  if (found.some(({ created }) => created)) return 'restart the daemon to have it write the new attributes';
  if (missing === 0) return 'all are defined';
  const unseen = visible === 0 ? '; the grid shows this user no definition at all, so it may lack the right to' : '';
  return `${missing} of ${found.length} are not defined, and left out${unseen}; to define them: ea-defs --create`;
}
