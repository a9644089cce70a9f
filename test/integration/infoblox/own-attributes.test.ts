import { afterEach, expect, test } from 'vitest';
import { Host, until } from '../../fixture/host.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';

let grid: Grid;
let host: Host;

afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

test('the attributes of --labels are written to every created object, if the grid defines them', async () => {
  grid = await startGrid({ attributes: ['Site', 'Owner'] });
  host = await new Host(grid, { flags: ['--labels=Site=Paris, Owner=Network team'] }).start();
  await host.add('c1');
  const expected = { Site: { value: 'Paris' }, Owner: { value: 'Network team' } };
  expect(grid.fixedAddresses().map((object) => object.extattrs)).toMatchObject([expected, expected]);
  expect(grid.networks()[0]?.extattrs).toMatchObject(expected);
});

test('an attribute of --labels that the grid does not define is left out, with a warning that names it', async () => {
  grid = await startGrid({ attributes: ['Owner'] });
  host = await new Host(grid, { flags: ['--labels=Site=Paris,Owner=me'] }).start();
  await host.add('c1');
  expect(grid.fixedAddresses()[1]?.extattrs).toEqual({ Owner: { value: 'me' } });
  await until('the warning', () =>
    host.log.some(({ message, details }) => message.includes('attribute left out') && details.name === 'Site'),
  );
});

test('malformed --labels are a start error', () => {
  host = new Host(
    { host: '127.0.0.1', port: 443, username: '', password: '', caFile: 'false' },
    { flags: ['--labels=Site'] },
  );
  return expect(host.start()).rejects.toThrow(/--labels "Site" must be a list/);
});
