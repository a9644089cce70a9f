import { expect, test } from 'vitest';
import { report } from '../../../../../src/modes/operator/commands/doctor.ts';
import { failure, ok, skipped, warning } from '../../../../../src/modes/operator/doctor/check.ts';

const plain = (_: string, text: string) => text;

test('findings are listed by group with the fix below, and checks skipped for one reason share a line', () => {
  const findings = [
    { group: 'host', title: 'user', ...ok('root') },
    { group: 'host', title: 'state directory', ...warning('/state: 32 MiB free', 'free space there') },
    { group: 'grid', title: 'TCP', ...failure('connection \u001b[31mrefused', 'check --wapi-port') },
    { group: 'grid', title: 'TLS', ...skipped('TCP failed') },
    { group: 'grid', title: 'login', ...skipped('TCP failed') },
    { group: 'grid', title: 'writes', ...skipped('not tried') },
  ];
  expect(report(findings, plain)).toBe(`host
  ok       user: root
  warning  state directory: /state: 32 MiB free
           fix: free space there

grid
  failure  TCP: connection \\u001b[31mrefused
           fix: check --wapi-port
  skipped  TLS, login: TCP failed
  skipped  writes: not tried

1 failure, 1 warning, 1 ok, 3 skipped
`);
});
