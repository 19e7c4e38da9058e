import { codeOf } from "../core/error-code.ts";
import { err, type Result } from "../core/result.ts";
import { type CliFailure, EXIT, usageFailure } from "./cli-failure.ts";
import type { CliIo } from "./cli-io.ts";
import type { BaseContext, Command } from "./command.ts";
import { type CommandEntry, COMMANDS } from "./command-list.ts";
import { createContext } from "./context.ts";
import { didYouMean, nearestCommand } from "./did-you-mean.ts";
import { createOut, type Out } from "./output.ts";
import { parseArgv, type SettingFlag, splitCommand } from "./parse-argv.ts";

const NAMES: ReadonlySet<string> = new Set(COMMANDS.map((entry) => entry.name));

/** Runs one command line and gives its exit code. Never exits the process and never throws. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  // Known before anything is parsed, so that a failure to parse is JSON too.
  const json = beforeDashes(argv).includes("--json");
  const out = createOut({ stdout: io.stdout, stderr: io.stderr, env: io.env, json, program: io.program });
  try {
    const outcome = await run(argv, io, out);
    if (outcome.ok) return EXIT.ok;
    out.fail(outcome.error);
    return outcome.error.exitCode;
  } catch (error) {
    if (isBrokenPipe(error)) return EXIT.ok;
    const message = error instanceof Error ? error.message : String(error);
    const mend = "This is a bug in Flock; FLOCK_LOG_LEVEL=debug shows where";
    out.fail({ exitCode: EXIT.failure, message: `Something broke inside flock: ${message}`, code: "internal", mend });
    if (io.env["FLOCK_LOG_LEVEL"] === "debug" && error instanceof Error) io.stderr.write(`${error.stack}\n`);
    return EXIT.failure;
  }
}

type Outcome = Result<void, CliFailure>;

async function run(
  argv: readonly string[],
  io: CliIo,
  out: Out & { fail(failure: CliFailure): void },
): Promise<Outcome> {
  const wantsHelp = beforeDashes(argv).some((word) => word === "--help" || word === "-h");
  const text = createOut({ stdout: io.stdout, stderr: io.stderr, env: io.env, json: false });
  if (["--version", "-v", "-V"].includes(argv[0] ?? "")) return run(["version", ...argv.slice(1)], io, out);
  if (argv[0] === "help") return showHelp(argv.slice(1), text);
  const { name, words, rest } = splitCommand(argv, NAMES);
  const entry = COMMANDS.find((candidate) => candidate.name === name);
  if (entry === undefined) {
    if (wantsHelp || words.length === 0) {
      const stray = wantsHelp ? undefined : argv.find((word) => word.startsWith("-") && word !== "--json");
      if (stray !== undefined) return err(usageFailure(`${stray} needs a command before it`, "flock --help"));
      return showHelp(words, text);
    }
    return err(unknownCommand(words));
  }
  if (wantsHelp) return showHelp([entry.name], text);
  return runCommand(entry, rest, io, out);
}

async function runCommand(entry: CommandEntry, rest: readonly string[], io: CliIo, out: Out): Promise<Outcome> {
  const command = await entry.load();
  if (out.json && command.json !== true) {
    return err(usageFailure(`flock ${entry.name} has no --json`, `flock ${entry.name} --help`));
  }
  const settings = command.settings ? await settingFlags() : [];
  const parsed = parseArgv(rest, entry.name, command, settings);
  if (!parsed.ok) return (await secretFlag(command, rest)) ?? parsed;
  const { flags, positionals } = parsed.value;
  const text = (flag: string): string | undefined => (typeof flags[flag] === "string" ? flags[flag] : undefined);
  const context = createContext(io, {
    settingFlags: parsed.value.settingFlags,
    url: text("url"),
    token: text("token"),
    json: out.json,
  });
  const args = await readArgs(entry.name, command, positionals, context);
  return args.ok ? command.run({ ...context, args: args.value, flags }, out) : args;
}

async function readArgs(
  name: string,
  command: Command,
  positionals: readonly string[],
  context: BaseContext,
): Promise<Result<Record<string, string | undefined>, CliFailure>> {
  const specs = Object.entries(command.args ?? {});
  const help = `flock ${name} --help`;
  const extra = positionals[specs.length];
  if (extra !== undefined) {
    const inside = [...NAMES].flatMap((other) => (other.startsWith(`${name} `) ? [other.slice(name.length + 1)] : []));
    const guess = didYouMean(extra, inside).replace("mean ", `mean flock ${name} `);
    return err(usageFailure(`flock ${name} does not take "${extra}"${guess}`, help));
  }
  const args: Record<string, string | undefined> = {};
  for (const [at, [arg, spec]] of specs.entries()) {
    let given = positionals[at];
    if (given === undefined && spec.required) {
      const missing = usageFailure(`flock ${name} needs <${arg}>: ${spec.summary}`, help);
      const plain = spec.choices?.map((value) => ({ value, label: value }));
      if (!context.interactive || (!spec.pick && !plain)) return err(missing);
      const choices = spec.pick ? await spec.pick(context) : { ok: true as const, value: plain ?? [] };
      if (!choices.ok) return choices;
      const chosen = await context.choose(spec.summary, choices.value, missing);
      if (!chosen.ok) return chosen;
      given = chosen.value;
    }
    if (given !== undefined && spec.choices && !spec.choices.includes(given)) {
      const message = `<${arg}> is one of ${spec.choices.join(", ")}, not "${given}"${didYouMean(given, spec.choices)}`;
      return err(usageFailure(message, help));
    }
    args[arg] = given;
  }
  return { ok: true, value: args };
}

async function showHelp(words: readonly string[], out: Out): Promise<Outcome> {
  const help = await import("./help.ts");
  const done: Outcome = { ok: true, value: undefined };
  const { name } = splitCommand(words, NAMES);
  const entry = COMMANDS.find((candidate) => candidate.name === name);
  if (entry) {
    const { SETTINGS } = await import("../config/settings.ts");
    help.commandHelp(out, entry, await entry.load(), SETTINGS);
    return done;
  }
  const group = words[0];
  if (group === undefined) {
    const { VERSION } = await import("./version.ts");
    help.topHelp(out, COMMANDS, VERSION);
    return done;
  }
  const inside = COMMANDS.filter((candidate) => candidate.name.startsWith(`${group} `));
  if (inside.length === 0 || words.length > 1) return err(unknownCommand(words));
  help.groupHelp(out, group, inside);
  return done;
}

function unknownCommand(words: readonly string[]): CliFailure {
  const [group = "", sub] = words;
  const inside = [...NAMES].filter((name) => name.startsWith(`${group} `));
  if (inside.length > 0 && sub === undefined) {
    const names = inside.map((name) => name.slice(group.length + 1)).join(", ");
    return usageFailure(`flock ${group} needs one of: ${names}`, `flock ${group} --help`);
  }
  const typed = inside.length > 0 ? `${group} ${sub ?? ""}` : group;
  const guess = nearestCommand(words, [...NAMES]);
  const message = `Unknown command "flock ${typed}"${guess === null ? "" : `; did you mean flock ${guess}?`}`;
  return usageFailure(message, guess === null ? "flock --help" : `flock ${guess}`);
}

async function settingFlags(): Promise<SettingFlag[]> {
  const [{ SETTINGS }, { bool }] = await Promise.all([import("../config/settings.ts"), import("../config/schema.ts")]);
  return SETTINGS.flatMap(({ flag, type }) => (flag === null ? [] : [{ flag, isBoolean: Object.is(type, bool) }]));
}

/** A secret given as a flag gets told where it belongs, rather than "unknown flag". */
async function secretFlag(command: Command, rest: readonly string[]): Promise<Outcome | null> {
  if (!command.settings) return null;
  const { SETTINGS } = await import("../config/settings.ts");
  const given = new Set(rest.map((word) => word.replace(/^--|=.*$/g, "")));
  const secret = SETTINGS.find((setting) => setting.flag === null && given.has(setting.key.replaceAll(/[._]/g, "-")));
  if (secret === undefined) return null;
  const message = `${secret.key} is not taken as a flag: other users of this machine can read those`;
  return err(usageFailure(message, `Set ${secret.env} in the environment`));
}

function beforeDashes(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end < 0 ? argv : argv.slice(0, end);
}

function isBrokenPipe(error: unknown): boolean {
  return codeOf(error) === "EPIPE";
}
