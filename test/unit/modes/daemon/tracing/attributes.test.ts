import { expect, test } from 'vitest';
import { attributesOf, endAttributes, requestAttributes } from '../../../../../src/modes/daemon/tracing/spans.ts';

test.each([
  [
    { pod: 'web-1', namespace: 'shop', uid: '1-2-3' },
    { 'k8s.pod.name': 'web-1', 'k8s.namespace.name': 'shop', 'k8s.pod.uid': '1-2-3' },
  ],
  [
    { job: 'web', taskGroup: 'front', namespace: 'shop', region: 'eu', uid: '1-2-3' },
    {
      ...{ 'nomad.job.name': 'web', 'nomad.group.name': 'front', 'nomad.namespace': 'shop' },
      ...{ 'nomad.region': 'eu', 'nomad.alloc.id': '1-2-3' },
    },
  ],
  [
    { network: 'net-1', address: '10.0.0.2' },
    { 'cni.network.name': 'net-1', 'infoblox.address': '10.0.0.2' },
  ],
  // Values that are not text, empty, or only for the log are left out.
  [{ network: { name: 'net-1' }, container: '', milliseconds: 5, details: 'do this' }, {}],
])('%o gets the attribute names of OpenTelemetry', (fields, attributes) => {
  expect(attributesOf(fields)).toEqual(attributes);
});

test('a successful call has no error', () => {
  expect(endAttributes(0)).toEqual({ 'cni.code': 0 });
  expect(endAttributes(11)).toEqual({ 'cni.code': 11, 'rpc.status_code': '11', 'error.type': '11' });
});

test.each([
  ['https://grid.example.com/wapi/v2.3/network', 'grid.example.com', 443],
  ['https://[2001:db8::1]:8443/wapi/v2.3/network', '[2001:db8::1]', 8443],
])('a request to %s names the host of the grid', (url, address, port) => {
  expect(requestAttributes('GET', url)).toEqual({
    ...{ 'http.request.method': 'GET', 'url.full': url },
    ...{ 'server.address': address, 'server.port': port },
  });
});
