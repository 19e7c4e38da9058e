export type LogLevel = "debug" | "info" | "warn" | "error";

const RANK: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };

/** One event a call. Fields never hold a secret; whoever logs a request gives its id as `request`. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** `text` for a person at a terminal, `json` (one object a line) for everything else. */
  readonly format: "text" | "json";
  readonly write: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const least = RANK[options.level];
  const at =
    (level: LogLevel) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      if (RANK[level] < least) return;
      const line = options.format === "json" ? jsonLine(level, message, fields) : textLine(level, message, fields);
      options.write(`${line}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function jsonLine(level: LogLevel, message: string, fields: Record<string, unknown>): string {
  return JSON.stringify({ time: new Date().toISOString(), level, message, ...flat(fields) });
}

function textLine(level: LogLevel, message: string, fields: Record<string, unknown>): string {
  const rest = Object.entries(flat(fields)).map(([name, value]) => ` ${name}=${quoted(value)}`);
  return `${new Date().toISOString().slice(11, 19)} ${level.padEnd(5)} ${message}${rest.join("")}`;
}

function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[\w./:@-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Errors do not survive JSON.stringify by themselves. */
function flat(fields: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    out[name] = value instanceof Error ? (value.stack ?? value.message) : value;
  }
  return out;
}
