import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import { JsonScan } from "./json-scan.ts";

/** One step of reading a call. */
export type CallStep =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "arguments"; readonly json: string };

export type CallState = "open" | "done" | "bad";

export interface CallOptions {
  /** The schema of a tool's arguments, to tell the string "1" from the number; null: no such tool. */
  readonly parametersOf: (name: string) => JsonObject | null;
  /** Only tools that were declared: text that merely looks like a call is text. */
  readonly knownOnly: boolean;
}

const JSON_HEAD =
  /^\s*\{\s*(?:"type"\s*:\s*"function"\s*,\s*)?(?:"id"\s*:\s*"[^"]*"\s*,\s*)?"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/;
const TAG_HEAD = /^\s*<function=([^>]+)>\s*(?=\{|<parameter=|<\/function>)/;
const ARGS_HEAD = /^\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*[\w-]*\s*)?(?:\[ARGS\]\s*)?(?=\{)/;
const MOST_NAME_CHARACTERS = 200;
const PARAMETER = /^\s*<parameter=([^>]+)>\n?([\s\S]*?)\n?<\/parameter>/;

/** Reads one call, from behind its opener to the end of its own form (`}`, `</function>`), in whichever form it comes. */
export class CallReader {
  readonly #options: CallOptions;
  #buffer = "";
  #phase: "head" | "json" | "tags" | "tail" | "over" = "head";
  #tail = "";
  #scan = new JsonScan();
  /** How much of the buffer was scanned while the name was not known. */
  #scanned = 0;
  #tool: string | null = null;
  #parameters = 0;

  constructor(options: CallOptions) {
    this.#options = options;
  }

  /** Null until the name is known; a call without one is text. */
  get name(): string | null {
    return this.#tool;
  }

  /** All arguments have come; what may still be missing is a bracket. */
  get isComplete(): boolean {
    return this.#phase === "tail" || this.#phase === "over";
  }

  /** What is not part of the call; to be asked for when it is done or bad. */
  get rest(): string {
    return this.#buffer;
  }

  push(text: string): { readonly steps: CallStep[]; readonly state: CallState } {
    this.#buffer += text;
    const steps: CallStep[] = [];
    for (;;) {
      const before = this.#phase;
      const state = this.#step(steps);
      if (state !== "open" || this.#phase === before) return { steps, state };
    }
  }

  #step(steps: CallStep[]): CallState {
    switch (this.#phase) {
      case "head":
        return this.#head(steps);
      case "json":
        return this.#json(steps);
      case "tags":
        return this.#tags(steps);
      case "tail":
        return this.#end();
      default:
        return "done";
    }
  }

  #head(steps: CallStep[]): CallState {
    const json = JSON_HEAD.exec(this.#buffer);
    const tag = TAG_HEAD.exec(this.#buffer) ?? (json ? null : ARGS_HEAD.exec(this.#buffer));
    const head = json ?? tag;
    if (!head) return this.#wholeCall(steps);
    const isTag = this.#buffer.trimStart().startsWith("<");
    const name = json ? parsedString(head[1] ?? "") : (head[1] ?? "").trim();
    if (name === null || !this.#open(name, steps)) return "bad";
    this.#buffer = this.#buffer.slice(head[0].length);
    this.#scan = new JsonScan();
    this.#tail = json ? "}" : isTag ? "</function>" : "";
    this.#phase = isTag && !this.#buffer.startsWith("{") ? "tags" : "json";
    return "open";
  }

  /** Its members in another order, or none: taken as a whole when it has come. */
  #wholeCall(steps: CallStep[]): CallState {
    const start = this.#buffer.trimStart();
    if (!start.startsWith("{")) return start === "" || mayBeHead(start) ? "open" : "bad";
    const key = /^\{\s*"([^"]*)"/.exec(start)?.[1];
    if (key !== undefined && !/^(name|arguments|parameters|type|id|function)$/.test(key)) return "bad";
    const { taken, state } = this.#scan.push(this.#buffer.slice(this.#scanned));
    this.#scanned += taken;
    if (state !== "done") return state;
    const call = parsedCall(this.#buffer.slice(0, this.#scanned));
    if (call === null || !this.#open(call.name, steps)) return "bad";
    steps.push({ type: "arguments", json: call.json });
    this.#buffer = this.#buffer.slice(this.#scanned);
    this.#phase = "over";
    return "done";
  }

  #open(name: string, steps: CallStep[]): boolean {
    if (name === "" || (this.#options.knownOnly && this.#options.parametersOf(name) === null)) return false;
    this.#tool = name;
    steps.push({ type: "name", name });
    return true;
  }

  #json(steps: CallStep[]): CallState {
    const { taken, state } = this.#scan.push(this.#buffer);
    const json = this.#buffer.slice(0, taken);
    this.#buffer = this.#buffer.slice(taken);
    if (json !== "") steps.push({ type: "arguments", json });
    if (state === "bad") return "bad";
    if (state === "done") this.#phase = "tail";
    return "open";
  }

  #tags(steps: CallStep[]): CallState {
    for (;;) {
      const parameter = this.#buffer.includes("</parameter>") ? PARAMETER.exec(this.#buffer) : null;
      if (parameter) {
        const [all, key = "", text = ""] = parameter;
        const before = this.#parameters++ === 0 ? "{" : ", ";
        const value = JSON.stringify(this.#valueOf(key.trim(), text));
        steps.push({ type: "arguments", json: `${before}${JSON.stringify(key.trim())}: ${value}` });
        this.#buffer = this.#buffer.slice(all.length);
        continue;
      }
      const start = this.#buffer.trimStart();
      if (start.startsWith("</function>")) {
        steps.push({ type: "arguments", json: this.#parameters === 0 ? "{}" : "}" });
        this.#phase = "tail";
        return "open";
      }
      const isStart = "</function>".startsWith(start) || "<parameter=".startsWith(start);
      return isStart || start.startsWith("<parameter=") ? "open" : "bad";
    }
  }

  /** Text where the schema wants text or says nothing, else JSON where it is JSON. */
  #valueOf(key: string, text: string): JsonValue {
    const properties = this.#options.parametersOf(this.#tool ?? "")?.["properties"];
    const schema = isObject(properties) ? properties[key] : undefined;
    const type = isObject(schema) ? schema["type"] : undefined;
    if (type === "string") return text;
    if (type === undefined && !(isObject(schema) && (schema["anyOf"] ?? schema["oneOf"] ?? schema["enum"])))
      return text;
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      return text;
    }
  }

  #end(): CallState {
    const start = this.#buffer.trimStart();
    if (this.#tail === "" || start.startsWith(this.#tail)) {
      this.#buffer = this.#tail === "" ? this.#buffer : start.slice(this.#tail.length);
      this.#phase = "over";
      return "done";
    }
    if (this.#tail.startsWith(start)) return "open";
    // The arguments are whole; what stands where the bracket should be is not ours.
    this.#phase = "over";
    return "done";
  }
}

/** The start of a head that is not JSON. */
function mayBeHead(start: string): boolean {
  if ("<function=".startsWith(start)) return true;
  const [, closed, behind = ""] = /^<function=[^>]*(>?)\s*([\s\S]*)$/.exec(start) ?? [];
  if (closed !== undefined) {
    return closed === "" || ["<parameter=", "</function>"].some((mark) => mark.startsWith(behind));
  }
  return start.length <= MOST_NAME_CHARACTERS && /^[\w.-]+\s*(\[\w*)?(\]\s*[\w-]*\s*)?(\[\w*)?(\]\s*)?$/.test(start);
}

function parsedCall(text: string): { name: string; json: string } | null {
  let call: JsonValue;
  try {
    call = JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
  if (isObject(call) && isObject(call["function"])) call = call["function"];
  if (!isObject(call)) return null;
  const name = call["name"];
  const given = call["arguments"] ?? call["parameters"] ?? {};
  if (typeof name !== "string") return null;
  // Some write the arguments as a string that holds JSON.
  const json = typeof given === "string" ? given : JSON.stringify(given);
  return isObjectText(json) ? { name, json } : null;
}

function isObjectText(text: string): boolean {
  try {
    return isObject(JSON.parse(text) as JsonValue);
  } catch {
    return false;
  }
}

function parsedString(text: string): string | null {
  try {
    return JSON.parse(text) as string;
  } catch {
    return null;
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
