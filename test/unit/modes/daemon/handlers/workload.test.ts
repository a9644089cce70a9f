import { expect, test } from 'vitest';
import { workloadOf } from '../../../../../src/modes/daemon/handlers/calls.ts';

/** The arguments that containerd and Nomad send. */
const ofKubernetes =
  'IgnoreUnknown=1;K8S_POD_UID=8c1d;K8S_POD_NAMESPACE=shop;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_NAME=web-1';
const ofNomad =
  'IgnoreUnknown=true;NOMAD_ALLOC_ID=c1;NOMAD_GROUP_NAME=front;NOMAD_JOB_ID=web;NOMAD_NAMESPACE=shop;NOMAD_REGION=eu';

test.each([
  ['a runtime without any', '', {}],
  ['Kubernetes', ofKubernetes, { namespace: 'shop', pod: 'web-1', uid: '8c1d' }],
  ['Nomad', ofNomad, { namespace: 'shop', job: 'web', taskGroup: 'front', region: 'eu' }],
  [
    'Nomad with a semicolon in the name of the job',
    ofNomad.replace('NOMAD_JOB_ID=web;', ''),
    {
      ...{ namespace: 'shop', taskGroup: 'front', region: 'eu' },
    },
  ],
  ['podman', 'IgnoreUnknown=1;K8S_POD_NAME=web', { pod: 'web' }],
  ['nerdctl', 'IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=x', {}],
  ['another program with unrelated keys', 'K8S_POD_NAME=a=b;NOMAD_JOB_ID;;K8S_POD_UID=', {}],
])('CNI_ARGS describe the workload of %s', (_, args, expected) => {
  expect(workloadOf({ containerId: 'c1', args })).toEqual({ containerId: 'c1', ...expected });
});
