/** Finds all reasons why a tree cannot be released, without changing anything. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A reason against a release and its fix, both without a full stop. */
export interface Problem {
  readonly what: string;
  readonly fix: string;
}

/** Programs and their Debian packages. strip is required: an unstripped executable has other bytes. */
const programs: Readonly<Record<string, string>> = {
  'x86_64-linux-gnu-strip': 'binutils-x86-64-linux-gnu',
  'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu',
  'dpkg-deb': 'dpkg',
  'apt-get': 'apt',
};

/**
 * Lists all problems of a tree.
 * @param version that of package.json
 */
export function problemsOf(project: string, version: string): Problem[] {
  return [...ofTree(project, version), ...ofChangelog(project, version), ...ofMachine()];
}

function ofTree(project: string, version: string): Problem[] {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: project, encoding: 'utf8' });
  const tag = `v${version}`;
  const status = git('status', '--porcelain');
  if (status.status !== 0) {
    const what = `git cannot identify this commit: ${status.error?.message ?? status.stderr.trim()}`;
    return [{ what, fix: `Clone the repository, and git checkout ${tag}` }];
  }
  const changed = status.stdout.split('\n').flatMap((line) => line.slice(3) || []);
  const problems: Problem[] = [];
  if (changed.length > 0) {
    const more = changed.length > 3 ? ` and ${changed.length - 3} more` : '';
    const what = `the tree is not that of its commit: ${changed.slice(0, 3).join(', ')}${more}`;
    problems.push({ what, fix: 'Commit or remove the changes' });
  }
  if (git('tag', '--points-at', 'HEAD').stdout.split('\n').includes(tag)) return problems;
  if (git('rev-parse', '--quiet', '--verify', `refs/tags/${tag}`).status === 0) {
    const fix = `git checkout ${tag}; or raise the version in package.json and package-lock.json`;
    return [...problems, { what: `${tag} is the tag of another commit`, fix }];
  }
  const fix = `When all of it is committed: git tag -a ${tag} -m 'infoblox-cni ${version}'`;
  return [...problems, { what: `version ${version} of package.json has no tag here`, fix }];
}

function ofChangelog(project: string, version: string): Problem[] {
  const headings = readFileSync(join(project, 'CHANGELOG.md'), 'utf8').match(/^## .*/gm) ?? [];
  const heading = headings.find((line) => line.split(' ')[1] === version);
  const right = `## ${version} (YYYY-MM-DD)`;
  if (heading === undefined) {
    return [{ what: `CHANGELOG.md has no entry of ${version}`, fix: `Write one, below "${right}"` }];
  }
  if (/ \(\d{4}-\d\d-\d\d\)$/.test(heading)) return [];
  return [{ what: `CHANGELOG.md has no date for ${version}: "${heading}"`, fix: `Make it "${right}"` }];
}

function ofMachine(): Problem[] {
  return Object.entries(programs).flatMap(([program, name]) => {
    if (spawnSync(program, ['--version']).error === undefined) return [];
    return [{ what: `no ${program} on this machine`, fix: `Debian: apt-get install ${name}` }];
  });
}
