import { COMMON_OPTIONS } from './args.js';
import type { Command, Option } from './command.js';

/** Completion scripts, made from the table of commands. Ids are asked of the running service. */

const IDS = 'tallyman list --ids --limit 50 2>/dev/null';

const optionsOf = (command: Command): readonly Option[] => [...command.options, ...COMMON_OPTIONS];
const names = (commands: readonly Command[]): string => commands.map((command) => command.name).join(' ');
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export function bashScript(commands: readonly Command[]): string {
  const flags = commands.map(
    (command) =>
      `    ${command.name}) flags=${quoted(
        optionsOf(command)
          .map((option) => `--${option.name}`)
          .join(' '),
      )} ;;`,
  );
  const choices = commands.flatMap((command) =>
    command.options
      .filter((option) => option.choices)
      .map((option) => `    ${command.name}:--${option.name}) words=${quoted((option.choices ?? []).join(' '))} ;;`),
  );
  const args = commands.flatMap((command) => {
    const words = wordsForShell(command, commands);
    return words === null ? [] : [`    ${command.name}) words=${words} ;;`];
  });
  return `# bash completion of tallyman
_tallyman() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]} flags= words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quoted(`${names(commands)} help --help --version`)} -- "$current"))
    return
  fi
  case "$command:$previous" in
${choices.join('\n')}
  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  case "$command" in
${flags.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")); return ;;
  esac
  case "$command" in
${args.join('\n')}
  esac
  [ -z "$words" ] || COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _tallyman tallyman
`;
}

export function zshScript(commands: readonly Command[]): string {
  const described = commands.map((command) => `    ${quoted(`${command.name}:${command.summary}`)}`);
  const cases = commands.map((command) => {
    const specs = optionsOf(command).map((option) => `      ${quoted(zshSpec(option))}`);
    const words = wordsForShell(command, commands);
    const rest = words === null ? `'*:file:_files'` : `"*:word:(${words.slice(1, -1)})"`;
    return `    ${command.name}) _arguments \\\n${specs.join(' \\\n')} \\\n      ${rest} ;;`;
  });
  return `#compdef tallyman
_tallyman() {
  local -a commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _tallyman tallyman
`;
}

function zshSpec(option: Option): string {
  const repeat = option.multiple === true ? '*' : '';
  const text = option.describe.replace(/[[\]:]/g, ' ');
  const value =
    option.value === undefined ? '' : option.choices ? `:${option.value}:(${option.choices.join(' ')})` : `:${option.value}:_files`;
  return `${repeat}--${option.name}[${text}]${value}`;
}

export function fishScript(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => {
    const when = `-n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`;
    const flags = optionsOf(command).map((option) => {
      const value = option.value === undefined ? '' : option.choices ? ` -x -a ${quoted(option.choices.join(' '))}` : ' -r';
      return `complete -c tallyman ${when} -l ${option.name}${value} -d ${quoted(option.describe)}`;
    });
    const args = command.completes === 'ids' ? quoted(`(${IDS})`) : wordsForShell(command, commands);
    return [
      `complete -c tallyman -f -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`,
      ...(args === null ? [] : [`complete -c tallyman -f ${when} -a ${args}`]),
      ...flags,
    ];
  });
  return `# fish completion of tallyman\n${lines.join('\n')}\n`;
}

/** What may stand for an argument, as a quoted word of the shell; `null` where the shell offers files. */
function wordsForShell(command: Command, commands: readonly Command[]): string | null {
  const { completes } = command;
  if (completes === undefined || completes === 'files') return null;
  if (completes === 'ids') return `"$(${IDS})"`;
  return quoted(completes === 'commands' ? names(commands) : completes.join(' '));
}
