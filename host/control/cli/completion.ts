/** What can stand at the end of a command line that is being written: for the shells. */

export interface CommandTable {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionTable[];
  readonly arguments: readonly ArgumentTable[];
  readonly commands: readonly CommandTable[];
}

export interface OptionTable {
  /** Such as `-h` and `--help`. */
  readonly names: readonly string[];
  /** What its value is called, `file[,option...]`; null for an option without. */
  readonly value: string | null;
  /** Whether it takes all words up to the next option. */
  readonly isVariadic: boolean;
  readonly description: string;
}

export interface ArgumentTable {
  readonly name: string;
  readonly isVariadic: boolean;
}

export interface Word {
  readonly word: string;
  readonly description: string;
}

/** What can stand in one place of a command line. */
export type Place =
  | { readonly kind: "words"; readonly words: readonly Word[] }
  | { readonly kind: "nothing" | "files" | "directories" | "images" | "built-images" | "machines" | "pools" }
  /** A machine of the daemon, or a machine file. */
  | { readonly kind: "machines-or-files" }
  /** Of a machine, or a machine file. */
  | { readonly kind: "snapshots"; readonly machine: string };

export const SHELLS = ["bash", "zsh", "fish"] as const;

type Kind = Place["kind"] | readonly string[];

/** By option: those whose values' names do not say it. */
export const OPTION_VALUES: Readonly<Record<string, Kind>> = {
  "--clock": ["host", "virtual"],
  "--translate": ["on", "off", "eager"],
  "--input": ["keyboard", "tablet"],
  "--net": ["user", "switch", "socket", "ws", "tap", "unplugged", "none"],
  "--restart": ["never", "on-failure", "always"],
  "--role": ["viewer", "operator", "admin"],
  "--image": "images",
  "--pool": "pools",
  "--parent": "pools",
  "--snapshot": "snapshots",
  "--from": "snapshots",
  "--delete": "snapshots",
};

/** By command and argument. Those of commands about machines of the daemon alone are called `name`. */
export const ARGUMENT_VALUES: Readonly<Record<string, Kind>> = {
  "run image": "images",
  "open file": "files",
  "replay file": "files",
  "snapshot machine": "machines-or-files",
  "restore machine": "machines-or-files",
  "restore name": "snapshots",
  "fork machine": "machines-or-files",
  "inspect machine": "machines-or-files",
  "export machine": "machines-or-files",
  "export output": "files",
  "import input": "files",
  "image build name": ["debian", "debian-mini"],
  "image rm name": "built-images",
  "image import directory": "directories",
  "pool set name": "pools",
  "pool rm name": "pools",
  "completion shell": SHELLS,
  ...Object.fromEntries(
    [
      "set",
      "start",
      "shutdown",
      "stop",
      "pause",
      "resume",
      "reset",
      "hibernate",
      "destroy",
      "attach",
      "exec",
      "logs",
    ].map((command) => [`${command} name`, "machines"]),
  ),
};

/**
 * What can stand in the last place.
 *
 * @param words behind the program's name; the last one is the beginning of what is wanted
 */
export function placeAtEnd(program: CommandTable, words: readonly string[]): Place {
  let command = program;
  let path = "";
  let option: OptionTable | null = null;
  let isOver = false;
  const given: string[] = [];
  for (const word of words.slice(0, -1)) {
    const isOption = !isOver && word.startsWith("-") && word !== "-";
    if (option !== null && (option.isVariadic ? !isOption : true)) {
      if (!option.isVariadic) option = null;
    } else if (!isOver && word === "--") {
      isOver = true;
      option = null;
    } else if (isOption) {
      const found = command.options.find(({ names }) => names.includes(word));
      option = found === undefined || found.value === null ? null : found;
    } else {
      const found = given.length === 0 ? command.commands.find(({ name }) => name === word) : undefined;
      if (found === undefined) given.push(word);
      else {
        command = found;
        path = path === "" ? found.name : `${path} ${found.name}`;
      }
    }
  }
  const last = words.at(-1) ?? "";
  if (option !== null && !(option.isVariadic && last.startsWith("-"))) return valuesOf(option, given);
  if (last.startsWith("-") && !isOver) return { kind: "words", words: optionsOf(command) };
  if (path === "help") return { kind: "words", words: commandsOf(program) };
  if (command.commands.length > 0 && given.length === 0) return { kind: "words", words: commandsOf(command) };
  const argument = command.arguments[given.length] ?? command.arguments.find(({ isVariadic }) => isVariadic);
  return placeOf(argument === undefined ? undefined : ARGUMENT_VALUES[`${path} ${argument.name}`], given);
}

function optionsOf({ options }: CommandTable): Word[] {
  return options.flatMap(({ names, description }) => names.map((word) => ({ word, description })));
}

function commandsOf({ commands }: CommandTable): Word[] {
  return commands.map(({ name, summary }) => ({ word: name, description: summary }));
}

function valuesOf({ names, value }: OptionTable, given: readonly string[]): Place {
  const known = names.map((name) => OPTION_VALUES[name]).find((kind) => kind !== undefined);
  if (known !== undefined) return placeOf(known, given);
  if (value?.startsWith("file")) return { kind: "files" };
  return placeOf(value?.startsWith("directory") ? "directories" : undefined, given);
}

function placeOf(kind: Kind | undefined, given: readonly string[]): Place {
  if (kind === undefined) return { kind: "nothing" };
  if (typeof kind !== "string") return { kind: "words", words: kind.map((word) => ({ word, description: "" })) };
  if (kind === "words") return { kind, words: [] };
  if (kind !== "snapshots") return { kind };
  const [machine] = given;
  return machine === undefined ? { kind: "nothing" } : { kind, machine };
}

/**
 * What defines the completion in a shell. It asks `viv complete -- WORDS`, which answers in lines: `files`, `directories`
 * or `words` first, then words with their descriptions behind a tab.
 */
export function completionScript(shell: (typeof SHELLS)[number]): string {
  switch (shell) {
    case "bash":
      return BASH;
    case "zsh":
      return ZSH;
    case "fish":
      return FISH;
  }
}

/** COMP_WORDS is split at colons and equals signs, too: the line is split anew. */
const BASH = `# Completion of viv in bash: source <(viv completion bash)
_viv() {
  local line=\${COMP_LINE:0:COMP_POINT} kind word rest words
  local cur=\${COMP_WORDS[COMP_CWORD]}
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  COMPREPLY=()
  {
    read -r kind
    while IFS=$'\\t' read -r word rest; do COMPREPLY+=("$word"); done
  } < <("$1" complete -- "\${words[@]:1}" 2> /dev/null)
  compopt +o default 2> /dev/null
  case $kind in
    files) compopt -o filenames 2> /dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur") ;;
    directories) compopt -o filenames 2> /dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$cur") ;;
  esac
}
complete -F _viv viv
`;

const ZSH = `#compdef viv
# Completion of viv in zsh, after compinit: source <(viv completion zsh)
_viv() {
  local -a lines described
  local line
  lines=("\${(@f)$(viv complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}")
  for line in "\${(@)lines[2,-1]}"; do
    [[ -n $line ]] && described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( \${#described} )) && _describe -t words viv described
  case \${lines[1]} in
    files) _files ;;
    directories) _files -/ ;;
  esac
}
compdef _viv viv
`;

const FISH = `# Completion of viv in fish: viv completion fish | source
function __viv_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l lines (viv complete -- $words[2..-1] 2> /dev/null)
  switch "$lines[1]"
    case files
      __fish_complete_path (commandline -ct)
    case directories
      __fish_complete_directories (commandline -ct)
  end
  test (count $lines) -gt 1; and printf '%s\\n' $lines[2..-1]
end
complete -c viv -f -a '(__viv_complete)'
`;
