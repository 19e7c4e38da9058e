import type { CliFailure } from "./cli-failure.ts";

export interface TextSink {
  write(text: string): void;
  readonly isTTY: boolean;
  /** Width of the terminal; ignored where there is none. */
  readonly columns: number;
}

/** What a text means; the colour follows from it, where there are colours. */
export type Tone = "good" | "warn" | "bad" | "dim" | "strong";

export interface Column<R> {
  readonly title: string;
  cell(row: R): string;
  tone?(row: R): Tone | undefined;
  /** Numbers stand to the right. */
  readonly right?: boolean;
  /** May be cut short when the terminal is narrow. */
  readonly shrink?: boolean;
  /** Left out where the terminal is too narrow for all columns, the last of them first. */
  readonly spare?: boolean;
}

export type Field = readonly [label: string, value: string, tone?: Tone | undefined];

/**
 * How a command speaks. In JSON mode only `document` reaches stdout. Every text is freed of control characters first:
 * names of keys and models come from clients, and must not steer the terminal of the admin who lists them.
 */
export interface Out {
  readonly json: boolean;
  line(text?: string, tone?: Tone): void;
  fields(rows: readonly Field[]): void;
  table<R>(rows: readonly R[], columns: readonly Column<R>[]): void;
  /** The result: `value` as the one JSON document, or whatever `render` writes. Called once. */
  document(value: unknown, render: () => void): void;
  /** A remark beside the result, on stderr. */
  note(text: string, tone?: Tone): void;
  /** A line that the next one replaces on a terminal; elsewhere each is a line of its own. */
  progress(text: string): void;
}

const CODES: Readonly<Record<Tone, string>> = { good: "32", warn: "33", bad: "31", dim: "2", strong: "1" };

function paint(text: string, tone: Tone | undefined, colours: boolean): string {
  return tone === undefined || !colours || text === "" ? text : `\u001b[${CODES[tone]}m${text}\u001b[0m`;
}

/** One printable line of `text`. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, "�");
}

function wantsColours(sink: TextSink, env: Readonly<Record<string, string | undefined>>): boolean {
  const off = [env["NO_COLOR"], env["FLOCK_NO_COLOR"]].some((value) => value !== undefined && value !== "");
  return sink.isTTY && !off && env["TERM"] !== "dumb";
}

/** The first words of all commands. */
const WORDS =
  "up|down|restart|join|leave|status|doctor|version|completion|update|upgrade|node|model|default|alias|route|shard|" +
  "engine|token|connect|disconnect|invite|usage|audit|job|config|help|--help";
const COMMAND_IN_TEXT = new RegExp(`(^|[\\s\`;(])flock(?= (?:${WORDS})\\b)`, "g");
const QUOTED_COMMAND = new RegExp(`(\`)flock(?= (?:${WORDS})\\b)`, "g");

/** Commands in a text as this Flock is really called: in a checkout there is no `flock` on the PATH. */
function asCalled(text: string, program: string, commands = COMMAND_IN_TEXT): string {
  return program === "flock" ? text : text.replaceAll(commands, `$1${program}`);
}

export interface OutOptions {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json: boolean;
  /** How a person calls this program; absent: `flock`. */
  readonly program?: string | undefined;
}

export function createOut({
  stdout,
  stderr,
  env,
  json,
  program = "flock",
}: OutOptions): Out & { fail(failure: CliFailure): void } {
  const colours = wantsColours(stdout, env);
  const errColours = wantsColours(stderr, env);
  let progressShown = false;
  const clearProgress = (): void => {
    if (progressShown) stderr.write("\r\u001b[K");
    progressShown = false;
  };
  const put = (text: string): void => {
    clearProgress();
    if (!json) stdout.write(`${text}\n`);
  };
  return {
    json,
    line: (text = "", tone) => put(paint(printable(asCalled(text, program)), tone, colours)),
    fields(rows) {
      const width = Math.max(0, ...rows.map(([label]) => label.length));
      for (const [label, value, tone] of rows) {
        put(`${paint(label.padEnd(width), "dim", colours)}  ${paint(printable(value), tone, colours)}`);
      }
    },
    table(rows, columns) {
      for (const line of layOut(rows, columns, stdout.isTTY ? stdout.columns : Infinity, colours)) put(line);
    },
    document(value, render) {
      if (json) stdout.write(`${JSON.stringify(value, null, 2)}\n`);
      else render();
    },
    note(text, tone) {
      clearProgress();
      if (!json) stderr.write(`${paint(printable(asCalled(text, program)), tone, errColours)}\n`);
    },
    progress(text) {
      if (json) return;
      clearProgress();
      const line = printable(text);
      stderr.write(stderr.isTTY ? cut(line, Math.max(10, stderr.columns - 1)) : `${line}\n`);
      progressShown = stderr.isTTY;
    },
    fail(failure) {
      clearProgress();
      const { exitCode, message, mend, code, also = [] } = failure;
      if (message === "") return;
      if (json) {
        const error = { message, ...(code === undefined ? {} : { code }), ...(mend === undefined ? {} : { mend }) };
        const more = also.length === 0 ? {} : { also };
        stderr.write(`${JSON.stringify({ error: { ...error, exit_code: exitCode, ...more } })}\n`);
        return;
      }
      for (const one of [{ message, mend }, ...also]) {
        stderr.write(`${paint("✗", "bad", errColours)} ${printable(asCalled(one.message, program, QUOTED_COMMAND))}\n`);
        if (one.mend !== undefined)
          stderr.write(`  ${paint("→", "dim", errColours)} ${printable(asCalled(one.mend, program))}\n`);
      }
    },
  };
}

function layOut<R>(rows: readonly R[], all: readonly Column<R>[], room: number, colours: boolean): string[] {
  const widthOf = (column: Column<R>): number =>
    Math.max(column.title.length, ...rows.map((row) => Bun.stringWidth(printable(column.cell(row)) || "–")));
  const columns = all.map((column) => ({ ...column, width: widthOf(column) }));
  leaveOut(columns, room);
  const cells = rows.map((row) => columns.map((column) => printable(column.cell(row)) || "–"));
  const widths = columns.map(({ width }) => width);
  shrink(widths, columns, room);
  const join = (texts: readonly string[], tones: (i: number) => Tone | undefined): string =>
    columns
      .map((column, i) => {
        const width = widths[i] ?? 0;
        const text = cut(texts[i] ?? "", width);
        const gap = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
        const painted = paint(text, tones(i), colours);
        return column.right ? gap + painted : painted + gap;
      })
      .join("  ")
      .trimEnd();
  const titles = join(
    columns.map((column) => column.title),
    () => "dim",
  );
  return [titles, ...rows.map((row, at) => join(cells[at] ?? [], (i) => columns[i]?.tone?.(row)))];
}

const LEAST_WIDTH = 8;

/** Takes away what is spare, until the others fit when they are cut short. */
function leaveOut<R>(columns: (Column<R> & { readonly width: number })[], room: number): void {
  const least = (): number =>
    columns.reduce((sum, { width, shrink: cuts }) => sum + (cuts ? Math.min(width, LEAST_WIDTH) : width) + 2, -2);
  while (least() > room) {
    const last = columns.findLastIndex(({ spare }) => spare);
    if (last < 0) return;
    columns.splice(last, 1);
  }
}

/** Takes from the widest column that allows it, until all fit or none gives any more. */
function shrink<R>(widths: number[], columns: readonly Column<R>[], room: number): void {
  const total = (): number => widths.reduce((sum, width) => sum + width + 2, -2);
  while (total() > room) {
    let widest = -1;
    columns.forEach((column, i) => {
      if (column.shrink && (widths[i] ?? 0) > Math.max(LEAST_WIDTH, widths[widest] ?? 0)) widest = i;
    });
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function cut(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let kept = "";
  for (const letter of text) {
    if (Bun.stringWidth(kept + letter) > width - 1) break;
    kept += letter;
  }
  return `${kept}…`;
}
