/** The workflow for the hosting service, which cannot run here: it is valid, and runs existing targets with minimal rights. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const project = join(import.meta.dirname, '../../..');

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string>>;
}
interface Job {
  readonly if?: string;
  readonly needs?: string;
  readonly permissions?: unknown;
  readonly steps: readonly Step[];
}
const workflow = parse(readFileSync(join(project, '.github/workflows/ci.yml'), 'utf8'));
const jobs: Readonly<Record<string, Job>> = workflow.jobs;
const steps = Object.values(jobs).flatMap((job) => job.steps);

describe('the workflow', () => {
  test('tests each push and pull request, and releases only tested commits with a version tag', () => {
    expect(Object.keys(workflow.on).sort()).toEqual(['pull_request', 'push']);
    expect(Object.keys(jobs)).toEqual(['test', 'release']);
    expect(jobs.test?.if).toBeUndefined();
    expect(jobs.release).toMatchObject({ needs: 'test', if: expect.stringContaining("ref_type == 'tag'") });
  });

  test('has only the right to read the repository', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const job of Object.values(jobs)) expect(job.permissions).toBeUndefined();
  });

  test('uses one major version of each action', () => {
    const used = steps.flatMap(({ uses }) => uses ?? []);
    expect(new Set(used.map((action) => action.split('@')[0]))).toEqual(
      new Set(['actions/checkout', 'actions/upload-artifact']),
    );
    for (const action of used) expect(action).toMatch(/@v\d+$/);
  });

  test('runs existing commands, and keeps the files of make release', () => {
    const commands = steps.flatMap(({ run }) => run?.split(' && ') ?? []);
    const own = commands.filter((command) => !/^(apt-get|git) /.test(command));
    expect(own).toEqual(['.ci/run', 'make release']);
    accessSync(join(project, '.ci/run'), constants.X_OK);
    expect(readFileSync(join(project, 'Makefile'), 'utf8')).toMatch(/^release:/m);
    const upload = jobs.release?.steps.at(-1);
    expect(upload?.with).toMatchObject({ path: 'dist/release', 'if-no-files-found': 'error' });
    expect(readFileSync(join(project, 'deploy/release/write.ts'), 'utf8')).toContain("join(dist, 'release')");
  });

  test('installs every program that make release requires', () => {
    const installed = jobs.release?.steps.flatMap(({ run }) => run?.split(' ') ?? []) ?? [];
    const asked = readFileSync(join(project, 'deploy/release/problems.ts'), 'utf8');
    const packages = [...asked.matchAll(/^ {2}'?[\w-]+'?: '([\w-]+)',$/gm)].map(([, name = '']) => name);
    expect(packages).toContain('binutils-aarch64-linux-gnu');
    // binutils has the tools of the machine's own architecture. dpkg and apt are in every Debian.
    const there = ['binutils-x86-64-linux-gnu', 'dpkg', 'apt'];
    for (const name of packages.filter((one) => !there.includes(one))) expect(installed).toContain(name);
  });
});
