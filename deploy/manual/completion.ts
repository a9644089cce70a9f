/**
 * Shell completion, generated from the commands and flags in the code; `whois`, `release` and `leases` complete addresses,
 * containers and pods of this host. A tab key, pressed by root, evaluates neither what was typed nor what others have named.
 */
import type { ArgDef } from 'citty';
import { commandNames, commandSummaries } from '../../src/modes/about.ts';
import { flags as daemonFlags } from '../../src/modes/daemon/config/flags.ts';
import { commands } from '../../src/modes/operator/run.ts';

/** The names of the executable: by its own it is the commands alone. */
const programs = ['infoblox-cni', 'infoblox-cni-daemon'] as const;
type Program = (typeof programs)[number];

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
  takesNames: /ADDRESS/.test(commands[name].operands ?? ''),
}));

/** Lists what this host holds, by the columns of `leases`: only words without characters that a shell interprets. */
const listNames = `infoblox-cni leases 2>/dev/null | awk -F '  +' 'NR == 1 { for (n = 1; n <= NF; n++) at[$n] = n; next }
    { print $1; print $at["CONTAINER"]; print $at["WORKLOAD"] }' | grep -xE '[A-Za-z0-9][A-Za-z0-9_.:/-]*' | sort -u`;

/** The scripts by their path below the directory of shared data. */
export const completionScripts: Readonly<Record<string, () => string>> = {
  ...Object.fromEntries(programs.map((program) => [`bash-completion/completions/${program}`, () => bash(program)])),
  'zsh/site-functions/_infoblox-cni-daemon': zsh,
  ...Object.fromEntries(programs.map((program) => [`fish/vendor_completions.d/${program}.fish`, () => fish(program)])),
};

function ofDaemonAs(program: Program): readonly Flag[] {
  return program === 'infoblox-cni' ? [] : ofDaemon;
}

function bash(program: Program): string {
  const words = (flags: readonly Flag[]) => flags.map(({ name, takesValue }) => `--${name}${takesValue ? '=' : ''}`);
  const cases = ofCommand.map(({ name, flags, takesFiles, takesNames }) => {
    // Without words bash completes file names.
    const first = takesFiles ? ' [[ $current == -* ]] || return;' : '';
    const names = takesNames ? `; [[ $current == -* ]] || words=$(${listNames})` : '';
    return `    *:${name})${first} words='${words(flags).join(' ')}'${names} ;;\n`;
  });
  const own = words(ofDaemonAs(program)).join(' ');
  return `# bash completion for ${program}
_${program.replaceAll('-', '_')}() {
  local current=\${COMP_WORDS[COMP_CWORD]} words
  case $COMP_CWORD:\${COMP_WORDS[1]} in
    1:*) words='${[...commandNames, ...words(ofDaemonAs(program))].join(' ')}' ;;
${cases.join('')}    *) words='${own}' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ \${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi
}
complete -o default -F _${program.replaceAll('-', '_')} ${program}
`;
}

function zsh(): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, '\\$&');
  const lines = (flags: readonly Flag[]) =>
    flags.map(({ name, takesValue, description }) => {
      return `'--${name}${takesValue ? '=' : ''}[${quote(description)}]${takesValue ? ':value:_files' : ''}'`;
    });
  const described = commandNames.map((name) => `    '${name}:${quote(commandSummaries[name])}'\n`);
  const cases = ofCommand.map(({ name, flags, takesNames }) => {
    const operands = takesNames ? "'*:name:_infoblox_cni_names'" : "'*:file:_files'";
    return `    ${name}) _arguments ${lines(flags).join(' \\\n      ')} ${operands} ;;\n`;
  });
  return `#compdef ${programs.join(' ')}
_infoblox_cni_names() {
  local -a names=(\${(f)"$(${listNames})"})
  compadd -a names
}
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

function fish(program: Program): string {
  const quote = (text: string) => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
  const line = (condition: string, { name, takesValue, description }: Flag) =>
    `complete -c ${program} -n ${quote(condition)} -l ${name}${takesValue ? ' -r' : ''} -d ${quote(description)}\n`;
  const names = commandNames.map((name) => {
    return `complete -c ${program} -n __fish_use_subcommand -a ${name} -d ${quote(commandSummaries[name])}\n`;
  });
  const flags = ofCommand.flatMap(({ name, flags }) =>
    flags.map((flag) => line(`__fish_seen_subcommand_from ${name}`, flag)),
  );
  const operands = ofCommand
    .filter(({ takesNames }) => takesNames)
    .map(
      ({ name }) =>
        `complete -c ${program} -n ${quote(`__fish_seen_subcommand_from ${name}`)} -f -a ${quote(`(${listNames})`)}\n`,
    );
  const daemon = ofDaemonAs(program).map((flag) => line('__fish_use_subcommand', flag));
  const noFiles = `complete -c ${program} -n __fish_use_subcommand -f\n`;
  return [`# fish completion for ${program}\n`, noFiles, ...names, ...operands, ...daemon, ...flags].join('');
}
