import { expect, test } from 'vitest';
import { processTitle } from '../../../../src/modes/daemon/process/process-title.ts';

test.each([
  [['--grid-host=a', '--wapi-port', '443'], 'infoblox-cni-daemon --grid-host=a --wapi-port 443'],
  [['--wapi-password=one two', '--driver-name=x'], 'infoblox-cni-daemon --wapi-password=... --driver-name=x'],
  [['-wapi-password=a=b\nc'], 'infoblox-cni-daemon -wapi-password=...'],
  [['--wapi-password', 'secret', '--labels=a=b'], 'infoblox-cni-daemon --wapi-password ... --labels=a=b'],
  [['-wapi-password', '--grid-host'], 'infoblox-cni-daemon -wapi-password ...'],
  [['--wapi-password-file=/etc/p'], 'infoblox-cni-daemon --wapi-password-file=/etc/p'],
])('the process list shows the command line without the password: %j', (args, title) => {
  expect(processTitle(args)).toBe(title);
});
