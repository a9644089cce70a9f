/**
 * What the executable is made of: an SBOM (CycloneDX), and the licence texts that have to go with it. Both follow from what
 * esbuild put into the scripts, not from a list, and from the Node that is injected. No date, no random number, no path.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What was bundled, as esbuild's metafiles of the scripts by name tell. */
function merged(metafiles) {
  const outputs = Object.entries(metafiles).map(([name, { outputs }]) => [name, Object.values(outputs)[0]]);
  const inputs = Object.assign({}, ...Object.values(metafiles).map((metafile) => metafile.inputs));
  return { inputs, outputs: Object.fromEntries(outputs) };
}

/**
 * @param root the project
 * @param metafiles of esbuild, by the name of the script
 * @param stage a directory to work in
 * @param node `version`, and `licence`, the file with Node's licence
 * @param commit what is built
 * @returns the SBOM, each component with its licence texts as evidence
 */
export function makeSbom({ root, metafiles, stage, node, commit }) {
  const [metafile, bom] = [join(stage, 'metafile.json'), join(stage, 'bom.json')];
  writeFileSync(metafile, JSON.stringify(merged(metafiles)));
  const tool = join(root, 'node_modules/@cyclonedx/cyclonedx-esbuild/bin/cyclonedx-esbuild-cli.js');
  const flags = ['--output-reproducible', '--gather-license-texts', '--build-working-dir', root, '--output-file', bom];
  execFileSync(process.execPath, [tool, ...flags, metafile], { stdio: ['ignore', 'ignore', 'pipe'] });
  const sbom = JSON.parse(readFileSync(bom, 'utf8'));
  const runtime = nodeComponent(node);
  sbom.components = [...(sbom.components ?? []), runtime];
  const { component } = sbom.metadata;
  component.properties = [...(component.properties ?? []), { name: 'infoblox-cni:commit', value: commit }];
  const main = sbom.dependencies.find(({ ref }) => ref === component['bom-ref']);
  main.dependsOn = [...(main.dependsOn ?? []), runtime['bom-ref']];
  sbom.dependencies.push({ ref: runtime['bom-ref'] });
  return sbom;
}

/** Node is no part of the scripts, but of the executable. */
function nodeComponent({ version, licence }) {
  if (!existsSync(licence)) throw new Error(`Node's licence is missing: ${licence}`);
  const content = readFileSync(licence).toString('base64');
  return {
    type: 'platform',
    name: 'node',
    version,
    'bom-ref': `node@${version}`,
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    scope: 'required',
    licenses: [{ license: { id: 'MIT', acknowledgement: 'declared' } }],
    evidence: { licenses: [{ license: { name: 'file: LICENSE', text: { content, encoding: 'base64' } } }] },
  };
}

/**
 * The licence texts of everything in the SBOM, to be read by people.
 * @throws Error naming each component that has none
 */
export function licenceTexts(sbom) {
  const { name, version } = sbom.metadata.component;
  // What esbuild left nothing of is not shipped.
  const shipped = sbom.components.filter(({ scope }) => scope !== 'excluded');
  const without = shipped.filter((component) => textsOf(component).length === 0);
  if (without.length > 0) {
    const names = without.map((component) => `${component.name}@${component.version ?? '?'}`).join(', ');
    throw new Error(`bundled without a licence text, so it cannot be shipped: ${names}`);
  }
  const head = `${name} ${version} contains this software, under these licences:\n\n${shipped.map(listed).join('')}`;
  return [head, ...shipped.map(section)].join('\n');
}

function listed(component) {
  return `  ${title(component)}\n`;
}

function section(component) {
  const texts = textsOf(component).map(({ file, text }) => `--- ${file} ---\n\n${text.trim()}\n`);
  return [`${'='.repeat(80)}\n${title(component)}\n${'='.repeat(80)}\n`, ...texts].join('\n');
}

function title({ group, name, version, licenses = [] }) {
  const declared = licenses.map(({ license, expression }) => expression ?? license.id ?? license.name).join(', ');
  return `${group === undefined ? '' : `${group}/`}${name} ${version} (${declared || 'see the text'})`;
}

function textsOf({ evidence }) {
  return (evidence?.licenses ?? []).map(({ license: { name, text } }) => ({
    file: name.replace(/^file: /, ''),
    text: text.encoding === 'base64' ? Buffer.from(text.content, 'base64').toString('utf8') : text.content,
  }));
}
