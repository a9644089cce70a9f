/** `check-config` checks whether the daemon would start with these flags and could serve these network configurations. */
import { distrust } from '../../../files/trusted-path.ts';
import { flagGroups as daemonGroups } from '../../daemon/config/flags.ts';
import { hiddenFromService } from '../../daemon/config/given-file.ts';
import { readOptions } from '../../daemon/config/options.ts';
import { trustOf } from '../../daemon/config/trust.ts';
import { refuseOtherUsers } from '../../daemon/process.ts';
import { orStartError, StartError } from '../../daemon/start-error.ts';
import { calledName, defineCommand } from '../command.ts';
import { checkNetworkFiles } from '../network-configurations.ts';
import { printedLines } from '../output/results.ts';
import { whatToDo } from '../output/terminal.ts';
import { misspeltPlugin, pluginPaths } from '../plugin-directories.ts';

export const checkConfig = defineCommand({
  operands: '[FILE...]',
  examples: [
    ['check-config', 'Check the flags in the environment file of the service, and the files that they name'],
    ['check-config --grid-host=grid.example.com', 'Check with other flags'],
    ['check-config /etc/cni/net.d/10-net-1.conflist', 'Check a network configuration as well'],
  ],
  groups: daemonGroups,
  async run({ operands, daemonFlags, env, socket, environmentFile, sourceOf }) {
    const options = readOptions(daemonFlags, env);
    refuseOtherUsers(options, process.getuid?.());
    // The daemon starts without the password file, and waits for it.
    if (daemonFlags['wapi-password-file'] !== '') orStartError(options.readPassword);
    const untrusted = distrust(socket);
    if (untrusted !== undefined)
      throw new StartError(`cannot trust ${socket}: ${untrusted.message}`, `run ${untrusted.hint}`);
    const { found, errors } = checkNetworkFiles(operands, options);
    for (const { file, message, hint } of errors) {
      process.stderr.write(`${calledName} check-config: ${whatToDo(`${file}: ${message}`, hint)}\n`);
    }
    const { gridHosts, wapiUsername, clientCertificate, tls } = options;
    const user = wapiUsername === '' ? 'none' : `${wapiUsername} (${sourceOf('wapi-username')})`;
    const inForce = [
      `grid ${gridHosts.join(',')} (${sourceOf('grid-host')})`,
      `user ${user}`,
      `client certificate ${clientCertificate?.file ?? 'none'}`,
      `the grid's certificate ${trustOf(tls)} (${sourceOf('ssl-verify')})`,
      `from ${environmentFile}`,
    ].join(', ');
    const nobody = 'warning: neither --wapi-username nor --wapi-client-cert is set: the grid refuses every request';
    const remark = options.passwordRemark();
    const files = [tls.trustFile, daemonFlags['wapi-client-cert'], daemonFlags['wapi-client-key']];
    const warnings = [
      ...(wapiUsername === '' && clientCertificate === undefined ? [nobody] : []),
      ...[remark, ...files.map((file) => file && hiddenFromService(file))].flatMap((one) =>
        one ? [`warning: ${one}`] : [],
      ),
    ];
    const right = found.flatMap(({ file, name, config, remarks }) => [
      `${file}: network ${name} is fine`,
      ...[...remarks, ...misspeltPlugin(config.type, pluginPaths(env))].map((remark) => `${file}: warning: ${remark}`),
    ]);
    const failed = errors.length > 0;
    return {
      failed,
      text: () => printedLines([inForce, ...warnings, ...right, ...(failed ? [] : ['configuration accepted'])]),
    };
  },
});
