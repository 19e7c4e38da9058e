import { type AnswerPart, type AnswerStage, heldBack } from "../../../dialect/tool-text/answer-part.ts";

/**
 * The form of gpt-oss: messages one after the other, each with a header that names its channel and, for a call, whom it
 * is for: `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…`.
 */
export const HARMONY_MARKS = [
  "<|channel|>",
  "<|message|>",
  "<|start|>",
  "<|end|>",
  "<|constrain|>",
  "<|call|>",
] as const;

export const HARMONY_THINKING = { open: "<|channel|>analysis<|message|>", close: "<|end|><|start|>assistant" } as const;
export const HARMONY_FINAL = "<|channel|>final<|message|>";

const MESSAGE = "<|message|>";
const ENDS = ["<|end|>", "<|start|>", "<|call|>"] as const;

type Body = { readonly kind: "text" | "thinking" | "nothing" } | { readonly kind: "call"; json: string };

export interface HarmonyOptions {
  /** False: calls are thrown away like everything that is for nobody. */
  readonly calls: boolean;
  readonly parallel: boolean;
  /** The prompt has written the header of the thinking already. */
  readonly opened: boolean;
}

export class HarmonyReader implements AnswerStage {
  readonly #options: HarmonyOptions;
  #held = "";
  /** Null: in a header. */
  #body: Body | null = null;
  #calls = 0;

  constructor(options: HarmonyOptions) {
    this.#options = options;
    if (options.opened) this.#body = { kind: "thinking" };
  }

  get isThinking(): boolean {
    return this.#body?.kind === "thinking";
  }

  get isOver(): boolean {
    return !this.#options.parallel && this.#calls > 0 && this.#body?.kind !== "call";
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    while (!this.isOver && (this.#body === null ? this.#header(parts) : this.#inBody(this.#body, parts))) {
      // Each round reads a header or a body.
    }
    return parts;
  }

  end(): AnswerPart[] {
    const rest = this.#held;
    this.#held = "";
    const parts: AnswerPart[] = [];
    // What never became a header is what the model said without one.
    if (this.#body === null) return this.#calls === 0 && rest.trim() !== "" ? [{ type: "text", text: rest }] : [];
    this.#give(this.#body, rest, parts);
    this.#close(this.#body, parts);
    return parts;
  }

  #header(parts: AnswerPart[]): boolean {
    const at = this.#held.indexOf(MESSAGE);
    if (at < 0) {
      const start = this.#held.trimStart();
      const begins = ["<|channel|>", "<|start|>", "to="].some(
        (mark) => mark.startsWith(start) || start.startsWith(mark),
      );
      if (begins || this.#calls > 0 || start.startsWith("assistant")) return false;
      this.#body = { kind: "text" };
      return true;
    }
    const header = this.#held.slice(0, at);
    this.#held = this.#held.slice(at + MESSAGE.length);
    const recipient = /\bto=(?:functions\.)?([\w.-]+)/.exec(header)?.[1];
    if (recipient !== undefined) {
      this.#body = this.#options.calls ? { kind: "call", json: "" } : { kind: "nothing" };
      if (this.#options.calls) parts.push({ type: "tool_call", index: this.#calls, name: recipient });
      return true;
    }
    this.#body = { kind: /<\|channel\|>\s*analysis/.test(header) ? "thinking" : "text" };
    return true;
  }

  #inBody(body: Body, parts: AnswerPart[]): boolean {
    const places = ENDS.map((mark) => this.#held.indexOf(mark)).filter((at) => at >= 0);
    if (places.length === 0) {
      const free = this.#held.slice(0, this.#held.length - heldBack(this.#held, ENDS));
      this.#held = this.#held.slice(free.length);
      this.#give(body, free, parts);
      return false;
    }
    const at = Math.min(...places);
    this.#give(body, this.#held.slice(0, at), parts);
    const mark = ENDS.find((one) => this.#held.startsWith(one, at)) ?? "";
    this.#held = this.#held.slice(at + mark.length);
    this.#close(body, parts);
    this.#body = null;
    return this.#held !== "";
  }

  #give(body: Body, text: string, parts: AnswerPart[]): void {
    if (text === "" || body.kind === "nothing") return;
    if (body.kind === "call") {
      body.json += text;
      parts.push({ type: "tool_arguments", index: this.#calls, json: text });
    } else parts.push({ type: body.kind, text });
  }

  #close(body: Body, parts: AnswerPart[]): void {
    if (body.kind !== "call") return;
    let whole = true;
    try {
      JSON.parse(body.json);
    } catch {
      whole = false;
    }
    parts.push({ type: "tool_call_end", index: this.#calls++, whole, raw: body.json });
  }
}
