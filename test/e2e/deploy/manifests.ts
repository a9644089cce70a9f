/** The manifests as built by kustomize, and their check against the types of Kubernetes. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DaemonSet } from 'kubernetes-types/apps/v1.js';
import type { ConfigMap, Container } from 'kubernetes-types/core/v1.js';
import { parseAllDocuments } from 'yaml';

const project = join(import.meta.dirname, '../../..');
export const kubernetes = join(project, 'deploy/kubernetes');

/** An object of a cluster. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

/** Builds a directory with kustomize. @throws Error with its messages, even warnings */
export function build(directory: string): Manifest[] {
  const run = spawnSync('kustomize', ['build', directory], { encoding: 'utf8' });
  if (run.status !== 0 || run.stderr !== '')
    throw new Error(`kustomize build ${directory}: ${run.error ?? run.stderr}`);
  return parseAllDocuments(run.stdout).map((document) => document.toJS());
}

/** Builds an operator's overlay. @param text its kustomization.yaml, in which `BASE` is one of ours */
export function buildOver(base: string, text: string, files: Readonly<Record<string, string>> = {}): Manifest[] {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-kustomize-'));
  try {
    // kustomize accepts no absolute paths.
    const copied = spawnSync('cp', ['-r', kubernetes, join(directory, 'kubernetes')]);
    if (copied.status !== 0) throw new Error(String(copied.stderr));
    const own = join(directory, 'own');
    mkdirSync(own);
    writeFileSync(join(own, 'kustomization.yaml'), `resources:\n  - ../kubernetes/${base}\n${text}`);
    for (const [name, content] of Object.entries(files)) writeFileSync(join(own, name), content);
    return build(own);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Returns the only object of a kind. */
export function find<T extends object>(manifests: readonly Manifest[], kind: string): T {
  const found = manifests.filter((one) => one.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`);
  return found[0] as unknown as T;
}

export function podOf(manifests: readonly Manifest[]) {
  const pod = find<DaemonSet>(manifests, 'DaemonSet').spec?.template.spec;
  if (pod === undefined) throw new Error('the DaemonSet has no pod');
  return pod;
}

export function containersOf(manifests: readonly Manifest[]): Container[] {
  const { initContainers = [], containers } = podOf(manifests);
  return [...initContainers, ...containers];
}

/** Returns the text of a file in a ConfigMap. */
export function fileIn(manifests: readonly Manifest[], file: string): string {
  const texts = manifests.flatMap((one) => (one.kind === 'ConfigMap' ? [(one as ConfigMap).data?.[file]] : []));
  const [text] = texts.filter((text) => text !== undefined);
  if (text === undefined) throw new Error(`${file} is in no ConfigMap`);
  return text;
}

/**
 * Checks objects against the types of the Kubernetes API: no unknown fields, none of a wrong type, none missing. The compiler
 * does it, as types are the only form of the schema in a package. Custom resources have none.
 * @returns its complaints, each with the lines that explain it
 */
export function complaints(manifests: readonly Manifest[]): string[] {
  const typed = manifests.flatMap((manifest, index) => {
    const module = modules[manifest.apiVersion];
    return module === undefined ? [] : [{ index, module, manifest }];
  });
  const text = typed
    .map(({ index, module, manifest }) => {
      const type = `import('kubernetes-types/${module}').${manifest.kind}`;
      return `export const object${index}: ${type} = ${JSON.stringify(manifest, undefined, 1)};\n`;
    })
    .join('');
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-types-'));
  try {
    writeFileSync(join(directory, 'manifests.ts'), text);
    const compilerOptions = {
      ...{ strict: true, noEmit: true, module: 'esnext', moduleResolution: 'bundler', types: [] },
      paths: { 'kubernetes-types/*': [join(project, 'node_modules/kubernetes-types/*')] },
    };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['manifests.ts'] }));
    const run = spawnSync('tsc', ['--project', directory], { encoding: 'utf8' });
    if (run.status === 0) return [];
    if (run.error !== undefined) throw run.error;
    const source = text.split('\n');
    const report = run.stdout.replace(/^.*manifests\.ts\((\d+),\d+\)/gm, (_, line) => source[line - 1]?.trim() ?? '');
    return report.trim().split(/\n(?=\S)/);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const modules: Readonly<Record<string, string>> = { v1: 'core/v1', 'apps/v1': 'apps/v1' };
