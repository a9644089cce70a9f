/** Bad input gets one clear error with the thing and the hint, and does not change the grid. */
import { describe, expect, test } from 'vitest';
import { until } from '../fixture/host.ts';
import { onTheGrid, requested } from './bad-input/grid-rows.ts';
import { configurations } from './bad-input/netconf-rows.ts';
import { type CallOptions, failure } from './built-host.ts';
import { useBuiltHost } from './built-host-fixture.ts';

const fixture = useBuiltHost({ attributes: ['Network Name'] });

/** Returns the contents of the grid, for comparison. */
function contents(): string[] {
  const types = ['networkview', 'network', 'networkcontainer', 'fixedaddress'];
  return types
    .flatMap((type) => fixture.grid.objects(type).map((object) => `${type} ${JSON.stringify(object)}`))
    .sort();
}

let views = 0;

describe.each([
  ['network configurations', configurations],
  ['requested addresses', requested],
  ['what the grid holds', onTheGrid],
])('%s', (_, rows) => {
  test.each(rows)('$title', async ({ prepare, call, code, msg, details }) => {
    views += 1;
    const view = `view ${views}`;
    const others: CallOptions[] = [];
    const other = (options: CallOptions = {}) => {
      const usual = { containerId: `other-${views}`, ipam: { 'network-view': view, ...options.ipam } };
      others.push({ ...options, ...usual });
      return fixture.host.add(usual.containerId, { ...options, ...usual });
    };
    await prepare?.({ grid: fixture.grid, other, view });
    const before = contents();
    // A view in the row itself takes precedence.
    const ipam = { 'network-view': view, ...call.ipam };
    const answer = await fixture.host.call('ADD', { containerId: `c${views}`, ...call, ipam });
    fixture.grid.readOnly = false;
    const error = failure(answer);
    expect(answer.stderr).toBe('');
    expect(error).toMatchObject({ code, msg: expect.stringMatching(msg), details: expect.stringMatching(details) });
    expect(contents()).toEqual(before);
    // Reservations left in one view would look like a renamed view in the next row.
    for (const options of others) await fixture.host.call('DEL', options);
    await until('they are released', () => !contents().some((object) => object.includes(`container=other-${views} `)));
  });
});
