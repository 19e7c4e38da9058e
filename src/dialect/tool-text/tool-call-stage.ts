import type { JsonObject } from "../../core/chat-request.ts";
import { type AnswerPart, type AnswerStage, heldBack } from "./answer-part.ts";
import { CallReader } from "./call-reader.ts";
import type { ToolSyntax } from "../../core/replica.ts";
import { OPENERS } from "./tool-syntax.ts";

export interface ToolCallOptions {
  readonly syntax: ToolSyntax;
  /** Declared tools by name, with the schemas of their arguments. */
  readonly tools: ReadonlyMap<string, JsonObject>;
  /** False: what comes after the first call is not read; see `isOver`. */
  readonly parallel: boolean;
  /** Only calls of declared tools are calls; absent: where the form of one is easily mistaken. */
  readonly knownOnly?: boolean;
}

/**
 * Finds calls in an answer's text. A call that goes wrong or is cut off before its name is known is text again, with
 * all that the model wrote. White space next to a call is part of the form, not of the answer.
 */
export class ToolCallStage implements AnswerStage {
  readonly #options: ToolCallOptions;
  readonly #openers: readonly string[];
  #held = "";
  /** Nothing but white space so far. */
  #atStart = true;
  #reader: CallReader | null = null;
  /** What was read for the call at hand, its opener included. */
  #raw = "";
  #opener = "";
  #calls = 0;
  /** Behind a call: what is and what is not part of its form. */
  #behindCall = false;
  #inList = false;

  constructor(options: ToolCallOptions) {
    this.#options = options;
    this.#openers = OPENERS[options.syntax];
  }

  /** The one call that was wanted is there: whatever came more would be thrown away. */
  get isOver(): boolean {
    return !this.#options.parallel && this.#calls > 0 && this.#reader === null;
  }

  push(text: string): AnswerPart[] {
    const parts: AnswerPart[] = [];
    this.#held += text;
    while (this.#advance(parts)) {
      // Each round takes a piece off what is held.
    }
    return parts;
  }

  end(): AnswerPart[] {
    const parts: AnswerPart[] = [];
    const reader = this.#reader;
    if (reader === null) {
      // Behind the only call that was wanted comes what closes it, if anything.
      const rest = this.isOver ? "" : this.#held;
      this.#held = "";
      if (rest.trim() !== "" || (rest !== "" && !this.#behindCall)) this.#text(rest, parts);
      return parts;
    }
    this.#reader = null;
    if (reader.name === null) this.#text(this.#raw, parts);
    else parts.push({ type: "tool_call_end", index: this.#calls++, whole: reader.isComplete, raw: this.#raw });
    return parts;
  }

  #advance(parts: AnswerPart[]): boolean {
    if (this.isOver) return false;
    if (this.#reader !== null) return this.#read(this.#reader, parts);
    if (this.#behindCall && this.#passForm()) return false;
    const start = this.#held.trimStart();
    if (this.#options.syntax === "llama" && start.startsWith("{") && (this.#atStart || this.#behindCall)) {
      return this.#openCall(this.#held.length - start.length);
    }
    if (this.#inList && start.startsWith("{")) return this.#openCall(this.#held.length - start.length);
    const [at, opener] = this.#firstOpener();
    if (opener !== null) {
      const before = this.#held.slice(0, at).trimEnd();
      if (before !== "") this.#text(before, parts);
      this.#held = this.#held.slice(before.length);
      return this.#openCall(at - before.length, opener);
    }
    const free = this.#held.slice(0, this.#held.length - heldBack(this.#held, this.#openers)).trimEnd();
    if (free === "") return false;
    this.#held = this.#held.slice(free.length);
    this.#text(free, parts);
    return true;
  }

  #firstOpener(): [number, string | null] {
    let first: [number, string | null] = [this.#held.length, null];
    for (const opener of this.#openers) {
      const at = this.#held.indexOf(opener);
      if (at >= 0 && at < first[0]) first = [at, opener];
    }
    return first;
  }

  /** `at`: where it begins in what is held, behind white space. */
  #openCall(at: number, opener = ""): boolean {
    const { syntax, tools } = this.#options;
    this.#opener = this.#held.slice(0, at) + opener;
    // `<function=` is the call's own first word, the other openers only stand before it.
    const own = opener === "<function=" ? 0 : opener.length;
    this.#raw = this.#held.slice(0, at + own);
    this.#held = this.#held.slice(at + own);
    this.#atStart = false;
    this.#reader = new CallReader({
      parametersOf: (name) => tools.get(name) ?? null,
      knownOnly: this.#options.knownOnly ?? syntax === "llama",
    });
    return true;
  }

  #read(reader: CallReader, parts: AnswerPart[]): boolean {
    const { syntax } = this.#options;
    if (syntax === "mistral" || syntax === "mistral-args") {
      if (this.#raw.endsWith("[TOOL_CALLS]") && /^\s*\[/.test(this.#held)) {
        this.#inList = true;
        this.#raw += "[";
        this.#held = this.#held.trimStart().slice(1);
      }
    }
    if (this.#held === "") return false;
    const given = this.#held;
    this.#raw += given;
    this.#held = "";
    const { steps, state } = reader.push(given);
    for (const step of steps) {
      if (step.type === "name") parts.push({ type: "tool_call", index: this.#calls, name: step.name });
      else parts.push({ type: "tool_arguments", index: this.#calls, json: step.json });
    }
    if (state === "open") return false;
    this.#reader = null;
    if (reader.name === null) {
      // Not a call: its opener is text, and what follows is looked at again as any other text.
      this.#behindCall = this.#inList = false;
      this.#held = this.#raw.slice(this.#opener.length);
      if (this.#opener !== "") this.#text(this.#opener, parts);
      return true;
    }
    this.#held = reader.rest;
    this.#raw = this.#raw.slice(0, this.#raw.length - reader.rest.length);
    parts.push({ type: "tool_call_end", index: this.#calls++, whole: state === "done", raw: this.#raw });
    this.#behindCall = true;
    return true;
  }

  /** Drops what only stands between and behind calls. True: what is held may still be the start of that. */
  #passForm(): boolean {
    const marks = this.#inList ? [",", "]"] : ["</tool_call>", ...(this.#options.syntax === "llama" ? [";"] : [])];
    for (;;) {
      this.#held = this.#held.trimStart();
      const mark = marks.find((one) => this.#held.startsWith(one));
      if (mark === undefined) break;
      this.#held = this.#held.slice(mark.length);
      if (mark === "]") this.#inList = false;
    }
    return [...marks, ...this.#openers].some((mark) => mark !== this.#held && mark.startsWith(this.#held));
  }

  #text(text: string, parts: AnswerPart[]): void {
    if (text.trim() !== "") this.#atStart = this.#behindCall = false;
    parts.push({ type: "text", text });
  }
}
