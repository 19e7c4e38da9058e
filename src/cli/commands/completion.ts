import { ok } from "../../core/result.ts";
import { command } from "../command.ts";
import { COMMANDS } from "../command-list.ts";
import { GLOBAL_FLAGS } from "../parse-argv.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

export const completion = command({
  args: { shell: { summary: "Your shell", required: true, choices: SHELLS } },
  examples: [
    "source <(flock completion bash)",
    "source <(flock completion zsh)",
    "flock completion fish > ~/.config/fish/completions/flock.fish",
  ],
  async run(context, out) {
    const words = await wordsByPrefix();
    const script = context.args.shell === "fish" ? fish(words) : bash(words, context.args.shell === "zsh");
    for (const line of script) out.line(line);
    return ok(undefined);
  },
});

/** What may follow each beginning of a line: `""` → `up down token …`, `token create` → its flags. */
async function wordsByPrefix(): Promise<Map<string, Set<string>>> {
  const words = new Map<string, Set<string>>();
  const add = (prefix: string, word: string): void => {
    words.set(prefix, (words.get(prefix) ?? new Set()).add(word));
  };
  for (const entry of COMMANDS) {
    const parts = entry.name.split(" ");
    parts.forEach((part, depth) => add(parts.slice(0, depth).join(" "), part));
    const { args, flags, json } = await entry.load();
    for (const choice of Object.values(args ?? {})[0]?.choices ?? []) add(entry.name, choice);
    const all = [...Object.keys(flags ?? {}), ...(json ? ["json"] : []), ...Object.keys(GLOBAL_FLAGS)];
    for (const flag of all) add(entry.name, `--${flag}`);
  }
  return words;
}

function bash(words: ReadonlyMap<string, ReadonlySet<string>>, zsh: boolean): string[] {
  return [
    ...(zsh ? ["autoload -U +X bashcompinit && bashcompinit"] : []),
    "_flock() {",
    '  local path="" word i',
    "  for ((i = 1; i < COMP_CWORD; i++)); do",
    '    word="${COMP_WORDS[i]}"',
    '    [[ "$word" == -* ]] && break',
    '    path="${path:+$path }$word"',
    "  done",
    "  local words",
    '  case "$path" in',
    ...[...words].map(([prefix, next]) => `    "${prefix}") words="${[...next].join(" ")}" ;;`),
    '    *) words="" ;;',
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    "}",
    "complete -o default -F _flock flock",
  ];
}

function fish(words: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const lines = [
    "function __flock_at",
    "  set -l words (commandline -opc | string match -v -- '-*')",
    '  test "$words[2..]" = "$argv[1]"',
    "end",
    "complete -c flock -f",
  ];
  for (const [prefix, next] of words) {
    lines.push(`complete -c flock -n '__flock_at "${prefix}"' -a '${[...next].join(" ")}'`);
  }
  return lines;
}
