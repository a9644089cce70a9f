import { expect, test } from 'vitest';
import { localAddresses } from '../../../../../src/modes/operator/doctor/own-addresses.ts';

/** As a kernel 6.1 writes it for one interface in use, and a bridge without a port. */
const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 172.18.1.0/24 2 0 1
        |-- 172.18.1.0
           /24 link UNICAST
        |-- 172.18.1.200
           /32 host LOCAL
        |-- 172.18.1.255
           /32 link BROADCAST
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 172.18.1.200
        /32 host LOCAL
     |-- 192.0.2.2
        /24 link UNICAST
        /32 host LOCAL
`;

test('the addresses that route to this host are its own, once each, and those of loopback do not matter', () => {
  expect(localAddresses(trie)).toEqual(['172.18.1.200', '192.0.2.2']);
});

test('a table that is not there has none', () => {
  expect(localAddresses('')).toEqual([]);
});
