import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Owner, ownerText, parseOwner, strangerOf } from '../../../../../src/infoblox/lease/store/owner.ts';
import { readMachine } from '../../../../../src/modes/daemon/host/this-host.ts';

const owner: Owner = { installation: 'i1', hardware: 'h1', name: 'host-7' };

describe('a state belongs to this host', () => {
  test.each<[string, Partial<Owner>, Partial<Owner>]>([
    ['if nothing has changed', {}, {}],
    ['under a new name', {}, { name: 'host-8' }],
    ['under its name after a new installation, or with a new machine ID at each start', {}, { installation: 'i2' }],
    ['in a container that sees no machine ID', {}, { installation: undefined }],
    ['if the hardware cannot be read any more', {}, { hardware: undefined, name: 'host-8' }],
    ['if neither was known', { installation: undefined, hardware: undefined }, {}],
    ['without DMI', { hardware: undefined }, { hardware: undefined, name: 'host-8' }],
  ])('%s', (_, before, now) => {
    expect(strangerOf({ ...owner, ...before }, { ...owner, ...now })).toBeUndefined();
  });
});

describe('a state is of another machine', () => {
  test.each<[string, Partial<Owner>, Partial<Owner>, RegExp]>([
    ['on a clone with a machine ID of its own', {}, { installation: 'i2', hardware: 'h2', name: 'host-8' }, /hardware/],
    ['on an unprepared clone, which differs only in the hardware', {}, { hardware: 'h2' }, /hardware/],
    ['on a clone that shares the hardware, such as a container', {}, { installation: 'i2', name: 'c' }, /installation/],
    ['where no DMI is', { hardware: undefined }, { hardware: undefined, installation: 'i2' }, /installation/],
    ['if the DMI is not readable any more', {}, { hardware: undefined, installation: 'i2' }, /installation/],
  ])('%s', (_, before, now, reason) => {
    expect(strangerOf({ ...owner, ...before }, { ...owner, ...now })).toMatch(reason);
  });
});

test('a recorded value stays if it cannot be read now', () => {
  const text = ownerText(owner, { installation: undefined, hardware: 'h2', name: 'host-8' });
  expect(parseOwner(text)).toEqual({ installation: 'i1', hardware: 'h2', name: 'host-8' });
  expect(parseOwner(ownerText(undefined, { ...owner, hardware: undefined }))).toEqual({
    ...owner,
    hardware: undefined,
  });
  for (const damaged of ['', '{}', 'null', '{"name":7}']) expect(parseOwner(damaged)).toBeUndefined();
});

describe('a machine', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-machine-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });
  const read = (machineId: string | undefined, productUuid: string | undefined, hardware?: string) => {
    const files = {
      machineId: join(directory, 'machine-id'),
      productUuid: join(directory, 'product_uuid'),
      hardware: join(directory, 'hardware'),
    };
    for (const file of Object.values(files)) rmSync(file, { force: true });
    if (hardware !== undefined) writeFileSync(files.hardware, hardware);
    if (machineId !== undefined) writeFileSync(files.machineId, machineId);
    if (productUuid !== undefined) writeFileSync(files.productUuid, productUuid);
    return readMachine(files);
  };
  const id = '0123456789abcdef0123456789abcdef';
  const uuid = '4c4c4544-0042-3510-8052-b4c04f4e5931';

  test('is identified by machine ID and hardware UUID, of which only hashes are stored', () => {
    const machine = read(`${id}\n`, `${uuid.toUpperCase()}\n`);
    expect(machine).toEqual(read(id, uuid));
    expect(machine).toEqual({
      installation: expect.stringMatching(/^[0-9a-f]{32}$/),
      hardware: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(Object.values(machine)).not.toContain(id);
  });

  test('is identified by the hash that root stored, if the service may not read the UUID', () => {
    const { hardware } = read(id, uuid);
    expect(read(id, undefined, `${hardware}\n`)).toEqual(read(id, uuid));
    expect(read(id, undefined, uuid).hardware).toBeUndefined();
  });

  test.each([
    ['absent', undefined, undefined],
    ['empty', '', ''],
    ['not made yet', 'uninitialized\n', '00000000-0000-0000-0000-000000000000\n'],
    ['a placeholder of the firmware', 'x'.repeat(32), 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'],
    ['something else', `${id}${id}`, 'Not Settable'],
  ])('is not identified by a UUID that is %s', (_, machineId, productUuid) => {
    expect(read(machineId, productUuid)).toEqual({ installation: undefined, hardware: undefined });
  });
});
