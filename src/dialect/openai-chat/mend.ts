import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import { isJsonObject } from "../../wire/parse-body.ts";
import type { ScannedBody } from "../../wire/scan-body.ts";
import { asReminder } from "../agent-shim.ts";

export interface Mended {
  /** As for `splice`; the caller may add to it. */
  readonly set: Record<string, string>;
  readonly remove: string[];
  readonly adjusted: string[];
}

const LENGTHS = ["max_tokens", "max_completion_tokens"];

/**
 * The agent shim for bodies that are passed through: only what a local model stumbles over is written anew, every other
 * field stays as the client wrote it. A body without fault costs one look at its roles.
 */
export function mendBody(body: ScannedBody, contextTokens: number): Mended {
  const set: Record<string, string> = {};
  const remove: string[] = [];
  const adjusted: string[] = [];
  if (hasOddRoles(body)) {
    const messages = body.json("messages");
    if (Array.isArray(messages) && messages.every(isJsonObject)) {
      set.messages = JSON.stringify(joinTurns(foldSystem(messages, adjusted), adjusted));
    }
  }
  if (body.has("tools")) {
    const tools = withParameters(body.json("tools"));
    if (tools) {
      set.tools = JSON.stringify(tools);
      adjusted.push("tools without parameters take none");
    }
  }
  for (const name of LENGTHS) {
    if ((body.number(name) ?? 0) < contextTokens) continue;
    remove.push(name);
    adjusted.push("max_tokens fitted to the context");
  }
  return { set, remove, adjusted: adjusted.length < 2 ? adjusted : [...new Set(adjusted)] };
}

const ROLE = Buffer.from('"role"');
/** The first letters of developer, system, user and assistant. */
const D = 0x64;
const S = 0x73;
const U = 0x75;
const A = 0x61;

/**
 * A system message that is not the first, a developer, or a user who speaks twice. Reads the first letters of all roles:
 * inside of a string the key's quotes would be escaped, so none is overlooked.
 */
function hasOddRoles(body: ScannedBody): boolean {
  const span = body.get("messages");
  if (!span) return false;
  const { bytes } = body;
  let before = 0;
  let count = 0;
  for (let at = bytes.indexOf(ROLE, span.valueStart); at >= 0; at = bytes.indexOf(ROLE, at + ROLE.length)) {
    if (at >= span.valueEnd) return false;
    const quote = bytes.indexOf(0x22, at + ROLE.length);
    const role = bytes[quote + 1] ?? 0;
    if (role === D || (role === S && count > 0) || (role === before && (role === U || role === A))) return true;
    before = role;
    count += 1;
  }
  return false;
}

/** As the shim does with core messages: before the first answer it joins the leading text, later it is a reminder. */
function foldSystem(messages: readonly JsonObject[], adjusted: string[]): JsonObject[] {
  const firstAnswer = messages.findIndex(({ role }) => role === "assistant");
  const leadingEnd = firstAnswer < 0 ? messages.length : firstAnswer;
  let leading: JsonObject | null = null;
  let reminders: JsonValue = null;
  let folded = false;
  const rest: JsonObject[] = [];
  for (const [at, message] of messages.entries()) {
    const { role } = message;
    if (role === "developer") adjusted.push("developer messages as system");
    if ((role === "system" || role === "developer") && at < leadingEnd) {
      folded ||= leading !== null || rest.length > 0;
      leading =
        leading === null
          ? { ...message, role: "system" }
          : Object.assign({}, leading, { content: join(leading.content, message.content) });
    } else if (role === "system" || role === "developer") {
      folded = true;
      reminders = join(reminders, reminded(message.content));
    } else if (role === "user" && reminders !== null) {
      rest.push({ ...message, content: join(reminders, message.content) });
      reminders = null;
    } else {
      rest.push(message);
    }
  }
  if (reminders !== null) rest.push({ role: "user", content: reminders });
  if (folded) adjusted.push("system messages folded");
  return leading ? [leading, ...rest] : rest;
}

function joinTurns(messages: readonly JsonObject[], adjusted: string[]): JsonObject[] {
  const joined: JsonObject[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (!last || !mayJoin(last, message)) {
      joined.push(message);
      continue;
    }
    joined[joined.length - 1] = { ...last, content: join(last.content, message.content) };
    adjusted.push("turns joined");
  }
  return joined;
}

/** Of assistants only what was said: calls stay with their own message. */
function mayJoin(last: JsonObject, message: JsonObject): boolean {
  if (last.role !== message.role || last.name !== message.name) return false;
  if (message.role === "user") return true;
  return message.role === "assistant" && !last.tool_calls && Object.keys({ ...last, ...message }).length === 2;
}

function join(one: JsonValue | undefined, two: JsonValue | undefined): JsonValue {
  if (one === null || one === undefined || one === "") return two ?? "";
  if (two === null || two === undefined || two === "") return one;
  if (typeof one === "string" && typeof two === "string") return `${one}\n\n${two}`;
  return [...parts(one), ...parts(two)];
}

function parts(content: JsonValue): JsonValue[] {
  if (Array.isArray(content)) return content;
  return [{ type: "text", text: typeof content === "string" ? content : JSON.stringify(content) }];
}

function reminded(content: JsonValue | undefined): JsonValue {
  if (typeof content === "string") return asReminder(content);
  if (!Array.isArray(content)) return "";
  return content.map((part) =>
    isJsonObject(part) && typeof part.text === "string" ? { ...part, text: asReminder(part.text) } : part,
  );
}

/** Null: every tool says what it takes. */
function withParameters(tools: JsonValue | undefined): JsonValue[] | null {
  if (!Array.isArray(tools)) return null;
  let missing = false;
  const whole = tools.map((tool) => {
    const called = isJsonObject(tool) ? tool.function : undefined;
    if (!isJsonObject(tool) || !isJsonObject(called) || isJsonObject(called.parameters)) return tool;
    missing = true;
    return { ...tool, function: { ...called, parameters: { type: "object", properties: {} } } };
  });
  return missing ? whole : null;
}
