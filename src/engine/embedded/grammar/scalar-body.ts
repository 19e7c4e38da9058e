import type { JsonObject } from "../../../core/chat-request.ts";
import { repeated } from "./gbnf.ts";
import { integerRange, numberRange } from "./number-range.ts";
import { numberOrNull, Unsupported } from "./schema-keywords.ts";

/** llama.cpp writes a repetition out as rules, and refuses more than this. */
const MOST_REPETITIONS = 1999;

/** What stands in the rule of a string with these lengths and this format. */
export function stringBody(schema: JsonObject): string {
  const format = schema["format"];
  const least = count(schema, "minLength");
  const most = count(schema, "maxLength");
  if (least !== null && most !== null && least > most) throw new Unsupported("a string longer than its maxLength");
  const bounded = least !== null || most !== null;
  if (!bounded && (format === "date" || format === "time" || format === "uuid")) return `"\\"" ${format} "\\""`;
  if (!bounded && format === "date-time") return String.raw`"\"" date "T" time "\""`;
  if (!bounded) return "string";
  return String.raw`"\"" ${repeated("char", least ?? 0, most)} "\""`;
}

/** What stands in the rule of a number within these bounds. */
export function numberBody(type: "integer" | "number", schema: JsonObject): string {
  const [low, openLow] = bound(schema, "minimum", "exclusiveMinimum", Math.max);
  const [high, openHigh] = bound(schema, "maximum", "exclusiveMaximum", Math.min);
  if (low === null && high === null) return type;
  const range =
    type === "integer"
      ? integerRange(
          low === null ? null : openLow ? Math.floor(low) + 1 : low,
          high === null ? null : openHigh ? Math.ceil(high) - 1 : high,
        )
      : numberRange({
          least: whole(low, "minimum"),
          most: whole(high, "maximum"),
          openLeast: openLow,
          openMost: openHigh,
        });
  if (range === null) throw new Unsupported("a number between bounds that leave none");
  return range;
}

/** The bound that holds, and whether it is left out itself. Draft 4 wrote `exclusiveMinimum: true` beside the bound. */
function bound(
  schema: JsonObject,
  closed: string,
  open: string,
  tighter: (a: number, b: number) => number,
): [number | null, boolean] {
  const at = numberOrNull(schema[closed]);
  if (schema[open] === true) return [at, at !== null];
  const excluded = numberOrNull(schema[open]);
  if (excluded === null) return [at, false];
  return at === null || tighter(at, excluded) === excluded ? [excluded, true] : [at, false];
}

function whole(value: number | null, keyword: string): number | null {
  if (value !== null && (!Number.isInteger(value) || Math.abs(value) >= 1e15)) {
    throw new Unsupported(
      `unsupported schema keyword '${keyword}' of a number with the value ${value}: only whole bounds`,
    );
  }
  return value;
}

/** How often something may be there; null: it is not said. */
export function count(schema: JsonObject, keyword: string): number | null {
  const value = numberOrNull(schema[keyword]);
  if (value === null) return null;
  if (value > MOST_REPETITIONS) {
    throw new Unsupported(`unsupported schema keyword '${keyword}' over ${MOST_REPETITIONS}`);
  }
  return value;
}
