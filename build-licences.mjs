/**
 * Writes the SBOM (CycloneDX) of the executable and the licence texts that must ship with it. Both follow from
 * esbuild's metafiles and the injected Node, not from a list. Reproducible: no date, random number or path.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Merges the metafiles of the scripts into one. */
function merged(metafiles) {
  const outputs = Object.entries(metafiles).map(([name, { outputs }]) => [name, Object.values(outputs)[0]]);
  const inputs = Object.assign({}, ...Object.values(metafiles).map((metafile) => metafile.inputs));
  return { inputs, outputs: Object.fromEntries(outputs) };
}

/**
 * Makes the SBOM.
 * @param root the project
 * @param metafiles esbuild's, by the name of the script
 * @param stage a directory for temporary files
 * @param node `version`, and `licence`, the file with Node's licence
 * @param commit the commit that is built
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

/** Makes the component of Node, which is part of the executable, but not of the scripts. */
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
 * Formats the licence texts of all components, for people.
 * @throws Error that names each component without one
 */
export function licenceTexts(sbom) {
  const { name, version } = sbom.metadata.component;
  // Excluded: components of which esbuild kept no code are not shipped.
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
