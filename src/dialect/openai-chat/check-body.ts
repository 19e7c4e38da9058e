import type { Failure } from "../../core/failure.ts";
import { BOUNDS } from "../../wire/sampling-bounds.ts";
import type { ScannedBody } from "../../wire/scan-body.ts";

type Check = (body: ScannedBody, name: string) => string | null;

/** Every value of JSON is told by its first byte. */
const QUOTE = 0x22;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const LETTER_N = 0x6e;

const text: Check = (body, name) => (startsWith(body, name, QUOTE) ? null : "must be a string");
const flag: Check = (body, name) => (body.boolean(name) === undefined ? "must be true or false" : null);
const object: Check = (body, name) => (startsWith(body, name, OPEN_OBJECT) ? null : "must be an object");
const list: Check = (body, name) => (startsWith(body, name, OPEN_LIST) ? null : "must be a list");

const wholeNumber: Check = (body, name) =>
  Number.isInteger(body.number(name) ?? Number.NaN) ? null : "must be a whole number";

function within([least, most]: readonly [number, number]): Check {
  return (body, name) => {
    const value = body.number(name);
    if (value === undefined) return "must be a number";
    return value >= least && value <= most ? null : `must be from ${least} to ${most}`;
  };
}

const messages: Check = (body, name) => {
  const span = body.get(name);
  if (!span || !startsWith(body, name, OPEN_LIST)) return "must be a list of messages";
  let at = span.valueStart + 1;
  while (isSpace(body.bytes[at])) at += 1;
  if (body.bytes[at] === CLOSE_LIST) return "at least one message is needed";
  return body.bytes[at] === OPEN_OBJECT ? null : "must be a list of objects with a role";
};

const FIELDS = new Map<string, Check>([
  ["messages", messages],
  ["stop", (body, name) => (text(body, name) && list(body, name) ? "must be a string or a list of strings" : null)],
  ["tools", list],
  ["tool_choice", (body, name) => (text(body, name) && object(body, name) ? "must be a string or an object" : null)],
  ["response_format", object],
  ["stream_options", object],
  ["logit_bias", object],
  ["logprobs", flag],
  ["parallel_tool_calls", flag],
  ["seed", wholeNumber],
  ["n", within([1, 128])],
  ["top_logprobs", within([0, 20])],
  ["user", text],
  ...Object.entries(BOUNDS).map(([name, bounds]): [string, Check] => [name, within(bounds)]),
]);

/**
 * What is plainly wrong with a body that is passed through: engines take a wrong type for a missing field, and say
 * nothing. Looks at the members that are there, and not into them: that is left to the engine.
 */
export function checkChatBody(body: ScannedBody): Failure | null {
  if (!body.has("messages")) return wrong("messages", "this field is missing");
  for (const name of body.members.keys()) {
    const check = FIELDS.get(name);
    if (!check || startsWith(body, name, LETTER_N)) continue;
    const problem = check(body, name);
    if (problem !== null) return wrong(name, problem);
  }
  // A list cannot be null.
  return startsWith(body, "messages", LETTER_N) ? wrong("messages", "must be a list of messages") : null;
}

function startsWith(body: ScannedBody, name: string, byte: number): boolean {
  const span = body.get(name);
  return span !== undefined && body.bytes[span.valueStart] === byte;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function wrong(field: string, problem: string): Failure {
  return { kind: "invalid_request", field, message: `${field}: ${problem}` };
}
