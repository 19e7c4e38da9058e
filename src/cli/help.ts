import type { AnySetting } from "../config/settings.ts";
import type { Command, FlagSpec } from "./command.ts";
import { type CommandEntry, SECTIONS } from "./command-list.ts";
import type { Field, Out } from "./output.ts";
import { GLOBAL_FLAGS, JSON_FLAG } from "./parse-argv.ts";

/** `flock --help`: every command by section. */
export function topHelp(out: Out, commands: readonly CommandEntry[], version: string): void {
  out.line(`flock ${version}: one private LLM service out of the machines you own`, "strong");
  out.line();
  out.line("Usage: flock <command> [arguments] [flags]");
  const width = Math.max(...commands.map((entry) => entry.name.length));
  for (const section of SECTIONS) {
    out.line();
    out.line(section, "strong");
    for (const entry of commands.filter((candidate) => candidate.section === section)) listed(out, entry, width);
  }
  out.line();
  out.line("Global flags", "strong");
  flagFields(out, GLOBAL_FLAGS);
  out.line();
  out.line("Examples", "strong");
  for (const example of ["flock up", "flock status", "flock token create alice", "flock help token create"]) {
    out.line(`  ${example}`);
  }
}

/** `flock token --help`: the commands that begin with a word. */
export function groupHelp(out: Out, group: string, commands: readonly CommandEntry[]): void {
  out.line(`Usage: flock ${group} <command> [arguments] [flags]`);
  out.line();
  out.line("Commands", "strong");
  const width = Math.max(...commands.map((entry) => entry.name.length));
  for (const entry of commands) listed(out, entry, width);
  out.line();
  out.line("Examples", "strong");
  for (const entry of commands) out.line(`  flock ${entry.name} --help`);
}

/** `flock token create --help`. */
export function commandHelp(out: Out, entry: CommandEntry, command: Command, settings: readonly AnySetting[]): void {
  const args = Object.entries(command.args ?? {});
  const words = args.map(([name, spec]) => (spec.required && !spec.pick ? `<${name}>` : `[${name}]`));
  out.line(`Usage: ${["flock", entry.name, ...words, "[flags]"].join(" ")}`);
  out.line();
  out.line(entry.summary);
  for (const paragraph of command.description?.split("\n") ?? []) out.line(paragraph);
  if (args.length > 0) {
    out.line();
    out.line("Arguments", "strong");
    out.fields(args.map(([name, spec]) => [`  ${name}`, withChoices(spec.summary, spec.choices)] as const));
  }
  const own: Readonly<Record<string, FlagSpec>> = { ...command.flags, ...(command.json ? { json: JSON_FLAG } : {}) };
  if (Object.keys(own).length > 0) {
    out.line();
    out.line("Flags", "strong");
    flagFields(out, own);
  }
  if (command.settings) {
    out.line();
    out.line("Settings (flag, variable; each is a key of the config file too)", "strong");
    out.fields(settings.flatMap(settingField));
  }
  out.line();
  out.line("Global flags", "strong");
  flagFields(out, GLOBAL_FLAGS);
  out.line();
  out.line("Examples", "strong");
  for (const example of command.examples) out.line(`  ${example}`);
}

function listed(out: Out, entry: CommandEntry, width: number): void {
  const later = entry.ready ? "" : " (not in this version yet)";
  out.line(`  ${entry.name.padEnd(width)}  ${entry.summary}${later}`, entry.ready ? undefined : "dim");
}

function flagFields(out: Out, flags: Readonly<Record<string, FlagSpec>>): void {
  out.fields(Object.entries(flags).map(([name, spec]) => [`  ${flagForm(name, spec)}`, flagSummary(spec)] as const));
}

function flagForm(name: string, spec: FlagSpec): string {
  if (spec.type === "boolean") {
    if (spec.default === true) return `--no-${name}, --${name}=false`;
    return spec.short === undefined ? `--${name}` : `-${spec.short}, --${name}`;
  }
  return `--${name} <${spec.type === "choice" ? spec.choices.join("|") : spec.placeholder}>`;
}

function flagSummary(spec: FlagSpec): string {
  return spec.type === "text" && spec.env !== undefined ? `${spec.summary} ($${spec.env})` : spec.summary;
}

function withChoices(summary: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? summary : `${summary}: ${choices.join(", ")}`;
}

function settingField(setting: AnySetting): readonly Field[] {
  if (setting.flag === "data-dir") return [];
  const flag = setting.flag === null ? "  (no flag)" : `  --${setting.flag}`;
  const effect = setting.effective === false ? " (no effect yet)" : "";
  return [[flag, `${setting.summary}${effect} ($${setting.env})`]];
}
