/**
 * Shell completion, generated from the commands and flags in the code. The scripts are static: a tab key, pressed by
 * root, neither runs a program nor evaluates what was typed.
 */
import type { ArgDef } from 'citty';
import { commandNames, commandSummaries } from '../../src/modes/about.ts';
import { flags as daemonFlags } from '../../src/modes/daemon/config/flags.ts';
import { commands } from '../../src/modes/operator/commands.ts';

const program = 'infoblox-cni-daemon';

interface Flag {
  readonly name: string;
  readonly takesValue: boolean;
  readonly description: string;
}

function flagsOf(definitions: Readonly<Record<string, ArgDef>>): Flag[] {
  return Object.entries(definitions).map(([name, { type, description = '' }]) => {
    return { name, takesValue: type !== 'boolean', description };
  });
}

const ofDaemon = flagsOf(daemonFlags);
const ofCommand = commandNames.map((name) => ({
  name,
  flags: Object.values(commands[name].groups).flatMap(flagsOf),
  takesFiles: /FILE|NETCONF/.test(commands[name].operands ?? ''),
}));

/** The scripts by their path below the directory of shared data. */
export const completionScripts: Readonly<Record<string, () => string>> = {
  [`bash-completion/completions/${program}`]: bash,
  [`zsh/site-functions/_${program}`]: zsh,
  [`fish/vendor_completions.d/${program}.fish`]: fish,
};

function bash(): string {
  const words = (flags: readonly Flag[]) => flags.map(({ name, takesValue }) => `--${name}${takesValue ? '=' : ''}`);
  const cases = ofCommand.map(({ name, flags, takesFiles }) => {
    // Without words bash completes file names.
    return `    *:${name})${takesFiles ? ' [[ $current == -* ]] || return;' : ''} words='${words(flags).join(' ')}' ;;\n`;
  });
  return `# bash completion for ${program}
_infoblox_cni_daemon() {
  local current=\${COMP_WORDS[COMP_CWORD]} words
  case $COMP_CWORD:\${COMP_WORDS[1]} in
    1:*) words='${[...commandNames, ...words(ofDaemon)].join(' ')}' ;;
${cases.join('')}    *) words='${words(ofDaemon).join(' ')}' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ \${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi
}
complete -o default -F _infoblox_cni_daemon ${program}
`;
}

function zsh(): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, '\\$&');
  const lines = (flags: readonly Flag[]) =>
    flags.map(({ name, takesValue, description }) => {
      return `'--${name}${takesValue ? '=' : ''}[${quote(description)}]${takesValue ? ':value:_files' : ''}'`;
    });
  const described = commandNames.map((name) => `    '${name}:${quote(commandSummaries[name])}'\n`);
  const cases = ofCommand.map(({ name, flags }) => {
    return `    ${name}) _arguments ${lines(flags).join(' \\\n      ')} '*:file:_files' ;;\n`;
  });
  return `#compdef ${program}
_infoblox_cni_daemon() {
  local -a commands=(
${described.join('')}  )
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command commands
    return
  fi
  local command=$words[2]
  if (( \${commands[(I)$command:*]} )); then
    shift words
    (( CURRENT-- ))
  fi
  case $command in
${cases.join('')}    *) _arguments ${lines(ofDaemon).join(' \\\n      ')} ;;
  esac
}
_infoblox_cni_daemon "$@"
`;
}

function fish(): string {
  const quote = (text: string) => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
  const line = (condition: string, { name, takesValue, description }: Flag) =>
    `complete -c ${program} -n ${quote(condition)} -l ${name}${takesValue ? ' -r' : ''} -d ${quote(description)}\n`;
  const names = commandNames.map((name) => {
    return `complete -c ${program} -n __fish_use_subcommand -a ${name} -d ${quote(commandSummaries[name])}\n`;
  });
  const flags = ofCommand.flatMap(({ name, flags }) =>
    flags.map((flag) => line(`__fish_seen_subcommand_from ${name}`, flag)),
  );
  const daemon = ofDaemon.map((flag) => line('__fish_use_subcommand', flag));
  const noFiles = `complete -c ${program} -n __fish_use_subcommand -f\n`;
  return [`# fish completion for ${program}\n`, noFiles, ...names, ...daemon, ...flags].join('');
}
