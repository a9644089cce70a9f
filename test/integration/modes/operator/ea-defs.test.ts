/** `ea-defs` asks the grid for its extensible attributes, without a daemon. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CommandRun, operate } from '../../../fixture/operator.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';

let grid: Grid;

beforeEach(async () => {
  grid = await startGrid({ attributes: ['Tenant ID'] });
  grid.add('extensibleattributedef', { name: 'VM Name', type: 'INTEGER' });
});
afterEach(async () => {
  await grid.stop();
});

function eaDefs(...args: readonly string[]): Promise<CommandRun> {
  const login = [`--grid-host=${grid.host}`, `--wapi-port=${grid.port}`, `--ssl-verify=${grid.caFile}`];
  return operate('ea-defs', ...login, `--wapi-username=${grid.username}`, `--wapi-password=${grid.password}`, ...args);
}
const defined = () => grid.objects('extensibleattributedef').map(({ name }) => name);

test('reports within three seconds that the name of the grid does not resolve', async () => {
  const { exitCode, stdout, stderr, milliseconds } = await eaDefs('--grid-host=grid.invalid');
  expect([exitCode, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(
    /cannot connect to the grid at grid\.invalid:\d+: (no such host|the resolver does not answer)\. Check /,
  );
  expect(milliseconds).toBeLessThan(3_500);
});

test('reports a WAPI version that the grid does not serve, with one that it does', async () => {
  const { exitCode, stderr } = await eaDefs('--wapi-version=9.9');
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/9\.9 not supported\. Set --wapi-version to one that the grid serves: 2\.3, /),
  ]);
});

test('shows the attributes of the driver, and their definitions on the grid', async () => {
  const { exitCode, stdout, stderr } = await eaDefs('--labels=Site=Paris');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toMatch(/^NAME +TYPE +DEFINED +WHAT IT SAYS$/m);
  expect(stdout).toMatch(/^Tenant ID +STRING +yes +Cluster of the container host$/m);
  expect(stdout).toMatch(/^Cloud API Owned +ENUM True, False +no /m);
  expect(stdout).toMatch(/^VM Name +STRING +as INTEGER /m);
  expect(stdout).toMatch(/^Site +STRING +no +Label of infoblox-cni$/m);
  expect(stdout).toMatch(/^\d+ of \d+ are not defined, and left out; to define them: ea-defs --create$/m);
  expect(defined()).toEqual(['Tenant ID', 'VM Name']);
  expect(grid.logins).toBe(1);
});

test('creates missing definitions once, and keeps existing ones', async () => {
  const first = await eaDefs('--create', '--json', '--labels=Site=Paris');
  const created = JSON.parse(first.stdout).filter((one: { created: boolean }) => one.created);
  expect(created.map(({ name }: { name: string }) => name)).not.toContain('Tenant ID');
  expect(defined()).toEqual(expect.arrayContaining(['CMP Type', 'Cloud API Owned', 'VM ID', 'Reserved At', 'Site']));
  expect(grid.objects('extensibleattributedef').find(({ name }) => name === 'Cloud API Owned')).toMatchObject({
    type: 'ENUM',
    list_values: [{ value: 'True' }, { value: 'False' }],
  });
  const count = defined().length;
  expect((await eaDefs('--create', '--labels=Site=Paris')).stdout).toMatch(/^all are defined$/m);
  expect(defined().length).toBe(count);
});

test('reports the missing permission and how to get it', async () => {
  const text = 'You need to have Write permission for the extensible attribute to add a new object of this type';
  grid.inject({
    method: 'POST',
    type: 'extensibleattributedef',
    effect: {
      ...{ kind: 'status', status: 400, contentType: 'application/json' },
      body: JSON.stringify({ Error: `AdmConDataError: ${text}`, code: 'Client.Ibap.Data', text }),
    },
  });
  const { exitCode, stdout, stderr } = await eaDefs('--create');
  expect([exitCode, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/cannot define "CMP Type": .*You need to have Write permission/);
  expect(stderr).toMatch(/Only superusers define attributes: name one with --wapi-username .* DDI team/);
});

test('reports an unreachable grid, and a refused login', async () => {
  const wrong = await eaDefs('--wapi-password=wrong');
  expect([wrong.exitCode, wrong.stderr]).toEqual([1, expect.stringMatching(/refused the user name or password/)]);
  await grid.pause();
  const away = await eaDefs();
  expect([away.exitCode, away.stderr]).toEqual([
    1,
    expect.stringMatching(/cannot connect to the grid .*\. See whether .* check --grid-host/),
  ]);
});
