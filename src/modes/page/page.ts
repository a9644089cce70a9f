/**
 * The page for people: a host at a glance, in one file that loads nothing from elsewhere. The daemon serves it at the address of
 * its metrics; `status --html` writes it.
 */
import { createHash } from 'node:crypto';
import { ago } from '../duration.ts';
import type { LeaseRecord, Status } from '../operator-protocol.ts';
import { conditionText, gridText, hostText, leasesText, sessionText } from '../status-text.ts';
import { html, type Markup, raw } from './html.ts';
import { script } from './script.ts';
import { style } from './style.ts';

/** What the page shows. */
interface PageSource {
  readonly status: Status;
  /** In the order in which they are shown. */
  readonly leases: readonly LeaseRecord[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Nothing but this very script and style may act, whatever text a grid or a runtime has put into the page. */
const policy = `default-src 'none'; script-src '${hashOf(script)}'; style-src '${hashOf(style)}'`;

/** Makes the page, a whole HTML document. */
export function renderPage(source: PageSource): string {
  const { status, now } = source;
  const isWell = status.conditions.length === 0;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${status.node}: ${isWell ? 'well' : 'not well'} - infoblox-cni</title>
<style>${raw(style)}</style>
</head>
<body>
<header class="${isWell ? 'well' : 'trouble'}">
<h1>${status.node}</h1>
<p>${isWell ? 'well' : 'not well'}, as of <time>${new Date(now).toISOString()}</time></p>
</header>
<main>
${conditionList(source)}
${facts(source)}
${networkBars(source)}
${leaseTable(source)}
${errorList(source)}
</main>
<script>${raw(script)}</script>
</body>
</html>
`;
  return page.text;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function conditionList({ status, now }: PageSource): Markup {
  if (status.conditions.length === 0) return html``;
  const items = status.conditions.map(
    (condition) =>
      html`<li><strong>${condition.kind}</strong> for ${ago(condition.since, now)}: ${conditionText(condition)}${fix(condition.hint)}</li>`,
  );
  return html`<section><h2>Conditions</h2><ul class="conditions">${items}</ul></section>`;
}

function fix(hint: string | null): Markup {
  return hint === null ? html`` : html`<br><em>fix: ${hint}</em>`;
}

function facts({ status, now }: PageSource): Markup {
  const rows: readonly (readonly [string, string])[] = [
    ['Daemon', `infoblox-cni ${status.version} (${status.commit}), running for ${ago(status.startedAt, now)}`],
    ['Host', hostText(status)],
    ['Grid', gridText(status.grid, now)],
    ['Session', sessionText(status.grid, now)],
    ['Leases', leasesText(status, now)],
  ];
  return html`<section><dl>${rows.map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl></section>`;
}

function networkBars({ status }: PageSource): Markup {
  if (status.networks.length === 0) return html``;
  const rows = status.networks.map(({ name, view, cidr, bound, used, total }) => {
    const isKnown = used !== null && total !== null && total > 0;
    const bar = isKnown
      ? html`<meter min="0" max="${total}" low="${total * 0.75}" high="${total * 0.9}" optimum="0" value="${used}"></meter> ${used} of ${total} used`
      : html`not known`;
    return html`<tr>${long(name)}<td>${view}</td><td>${cidr ?? '-'}</td><td class="number">${bound}</td><td>${bar}</td></tr>`;
  });
  return html`<section><h2>Networks</h2><table>
<thead><tr><th>Name</th><th>View</th><th>Network</th><th class="number">Bound here</th><th>In the grid</th></tr></thead>
<tbody>${rows}</tbody></table></section>`;
}

function leaseTable({ leases, now }: PageSource): Markup {
  const rows = leases.map(
    ({ address, phase, inDoubt, network, view, containerId, workload, ifName, createdAt, sandbox }) =>
      html`<tr><td>${address ?? '-'}</td><td>${phase}${inDoubt ? ', in doubt' : ''}</td>${long(network)}<td>${view}</td>${long(containerId, 'long id')}${long(workload === containerId ? '-' : workload)}<td>${ifName}</td><td class="number">${createdAt === null ? '-' : ago(createdAt, now)}</td><td>${sandbox}</td></tr>
`,
  );
  return html`<section><h2>Leases</h2>
<p><label>Search <input type="search" id="search" autocomplete="off"></label> <output id="shown">${leases.length}</output> of ${leases.length}</p>
<div class="leases"><table id="leases"><thead><tr><th>Address</th><th>Phase</th><th>Network</th><th>View</th><th>Container</th><th>Workload</th><th>Interface</th><th class="number">Age</th><th>Sandbox</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>`;
}

/** Characters that a column has room for. */
const roomy = 24;

/** A cell that may be too long for its column: then the pointer shows it in full. */
function long(text: string, style = 'long'): Markup {
  const title = text.length > roomy ? html` title="${text}"` : html``;
  return html`<td class="${style}"${title}>${text}</td>`;
}

function errorList({ status }: PageSource): Markup {
  if (status.errors.length === 0) return html``;
  const items = status.errors.map(({ at, message, error, hint }) => {
    const what = error === null ? message : `${message}: ${error}`;
    return html`<li><time>${new Date(at).toISOString()}</time> ${what}${fix(hint)}</li>`;
  });
  return html`<section><h2>Last errors</h2><ul>${items}</ul></section>`;
}
