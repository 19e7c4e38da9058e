import type { LoadedConfig } from "../config/load.ts";
import type { Clock } from "../core/clock.ts";
import type { Result } from "../core/result.ts";
import type { AdminServer } from "./admin-client.ts";
import type { CliFailure } from "./cli-failure.ts";
import type { LeaderControl } from "./leader-control.ts";
import type { Out } from "./output.ts";

export type FlagSpec =
  /** `--x`, `--no-x`, `--x=false`. Where the default is true, the summary says what `--no-x` does. */
  | {
      readonly type: "boolean";
      readonly summary: string;
      /** Null: undefined where nobody says either. */
      readonly default?: boolean | null;
      /** One letter: `-f` for `--follow`. */
      readonly short?: string;
    }
  | { readonly type: "text"; readonly summary: string; readonly placeholder: string; readonly env?: string }
  | {
      readonly type: "integer";
      readonly summary: string;
      readonly placeholder: string;
      readonly min: number;
      readonly max: number;
    }
  /** Separated by commas; may be given more than once. */
  | { readonly type: "list"; readonly summary: string; readonly placeholder: string }
  | { readonly type: "choice"; readonly summary: string; readonly choices: readonly string[] };

export type FlagValue<S extends FlagSpec> = S extends { type: "boolean" }
  ? S extends { default: null }
    ? boolean | undefined
    : boolean
  : S extends { type: "integer" }
    ? number | undefined
    : S extends { type: "list" }
      ? readonly string[] | undefined
      : string | undefined;

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly hint?: string;
}

export interface ArgSpec {
  readonly summary: string;
  readonly required: boolean;
  readonly choices?: readonly string[];
  /** What a person at a terminal may choose from when the argument is missing. An empty list is a failure. */
  readonly pick?: (context: BaseContext) => Promise<Result<readonly Choice[], CliFailure>>;
}

type ArgValue<S extends ArgSpec> = S["required"] extends true ? string : string | undefined;

/** What every command is given. It has no other way to the outside: no `process`, no `console`. */
export interface BaseContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly dataDir: string;
  readonly clock: Clock;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** A person sits at both ends: prompts are allowed. */
  readonly interactive: boolean;
  readonly leader: LeaderControl;
  /** `--url`: the user means that server and not this machine. */
  readonly url: string | undefined;
  /** Flags that are settings, by name without dashes, as given (`--data-dir` among them). */
  readonly settingFlags: Readonly<Record<string, string>>;
  loadConfig(): Promise<Result<LoadedConfig, CliFailure>>;
  /** All of standard input; "" at a terminal, where nobody would know that Flock waits. */
  stdin(): Promise<string>;
  /** Finds the running server; fails with exit code 3 when there is none. */
  admin(): Promise<Result<AdminServer, CliFailure>>;
  /** Asks a person; without one the answer is no, with a failure that names `--yes`. */
  confirm(question: string): Promise<Result<void, CliFailure>>;
  /** Lets a person choose; without one, or without choices, it gives `otherwise`. */
  choose(question: string, choices: readonly Choice[], otherwise: CliFailure): Promise<Result<string, CliFailure>>;
}

export interface CommandContext<A, F> extends BaseContext {
  readonly args: A;
  readonly flags: F;
}

type Args = Readonly<Record<string, ArgSpec>>;
type Flags = Readonly<Record<string, FlagSpec>>;

interface Shape<A extends Args, F extends Flags> {
  /** Paragraphs under the summary. */
  readonly description?: string;
  /** In the order in which they are written. */
  readonly args?: A;
  readonly flags?: F;
  /** Takes `--json`; then its one document is all that stdout gets. */
  readonly json?: boolean;
  /** Takes every setting of the configuration as a flag. */
  readonly settings?: boolean;
  readonly examples: readonly string[];
}

/** A command as the framework sees it. Its name and summary stand in `command-list.ts`, which loads it when it is run. */
export interface Command extends Shape<Args, Flags> {
  run(
    context: CommandContext<Readonly<Record<string, string | undefined>>, Readonly<Record<string, unknown>>>,
    out: Out,
  ): Promise<Result<void, CliFailure>>;
}

/** Defines a command; what `run` gets in `args` and `flags` follows from their specs. */
export function command<const A extends Args = Args, const F extends Flags = Flags>(
  definition: Shape<A, F> & {
    run(
      context: CommandContext<
        { readonly [K in keyof A]: ArgValue<A[K]> },
        { readonly [K in keyof F]: FlagValue<F[K]> }
      >,
      out: Out,
    ): Promise<Result<void, CliFailure>>;
  },
): Command {
  // The parser builds `args` and `flags` from the same specs, so the narrower view holds.
  return definition;
}
