import { type LlamaModel, LlamaText, SpecialTokensText, type Token } from "node-llama-cpp";

/** `token_type` in GGUF. */
const UNKNOWN = 2;
const CONTROL = 3;
const SILENT: ReadonlySet<number> = new Set([UNKNOWN, CONTROL]);

/** Which control tokens of the vocabulary have one of these texts. */
export function controlTokens(model: LlamaModel, texts: readonly string[]): Map<Token, string> {
  const { tokens, token_type: types } = model.fileInfo.metadata.tokenizer.ggml;
  const found = new Map<Token, string>();
  for (const text of texts) {
    const id = tokens.indexOf(text);
    if (id >= 0 && Number(types[id]) === CONTROL) found.set(id as Token, text);
  }
  return found;
}

/** Tokens that show nothing in an answer, though a grammar takes them for the text that they have in the vocabulary. */
export function silentTokens(model: LlamaModel): Token[] {
  const { token_type: types } = model.fileInfo.metadata.tokenizer.ggml;
  return [...types.entries()]
    .filter(([id, type]) => SILENT.has(type) && !model.isEogToken(id as Token))
    .map(([id]) => id as Token);
}

/** The texts of control tokens of a vocabulary, which must not be made by what somebody says. */
export class ControlTexts {
  readonly #texts: ReadonlySet<string>;
  /** Lengths by first character, longest first: few, so that a search is cheap. */
  readonly #lengths = new Map<string, number[]>();

  constructor(texts: readonly string[]) {
    this.#texts = new Set(texts.filter((text) => text !== ""));
    for (const text of this.#texts) {
      const first = text[0] ?? "";
      const lengths = this.#lengths.get(first) ?? [];
      if (!lengths.includes(text.length)) lengths.push(text.length);
      this.#lengths.set(first, lengths);
    }
    for (const lengths of this.#lengths.values()) lengths.sort((a, b) => b - a);
  }

  static of(model: LlamaModel): ControlTexts {
    const { tokens, token_type: types } = model.fileInfo.metadata.tokenizer.ggml;
    return new ControlTexts(tokens.filter((_, id) => Number(types[id]) === CONTROL));
  }

  /** Calls `put` for each, from left to right, and gives the text with what `put` gave in their places. */
  replace(text: string, put: (control: string) => string): string {
    let out = "";
    let done = 0;
    for (let at = 0; at < text.length; at++) {
      const lengths = this.#lengths.get(text[at] ?? "");
      const length = lengths?.find((one) => this.#texts.has(text.slice(at, at + one)));
      if (length === undefined) continue;
      out += text.slice(done, at) + put(text.slice(at, at + length));
      done = at + length;
      at = done - 1;
    }
    return done === 0 ? text : out + text.slice(done);
  }
}

/**
 * Takes control texts out of what people say before a template sees it, and puts them back as plain text: one prompt's
 * worth of both. A template that looks into a message finds it as it was, but for these.
 */
export class SpokenText {
  readonly #controls: ControlTexts;
  readonly #taken: string[] = [];
  /** Random, so that no message can hold a mark. */
  readonly #key = crypto.randomUUID().slice(0, 8);

  constructor(controls: ControlTexts) {
    this.#controls = controls;
  }

  take(text: string): string {
    return this.#controls.replace(text, (control) => `\uE000${this.#key}-${this.#taken.push(control) - 1}\uE001`);
  }

  /** The texts in every string of a JSON value. */
  takeAll<T>(value: T): T {
    if (typeof value === "string") return this.take(value) as T;
    if (Array.isArray(value)) return value.map((item) => this.takeAll(item as unknown)) as T;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.take(key), this.takeAll(item)])) as T;
  }

  /** What the template made of it: its own text may be control tokens, what was taken out may not. */
  toLlamaText(rendered: string): LlamaText {
    const parts = rendered.split(new RegExp(`\uE000${this.#key}-(\\d+)\uE001`));
    return LlamaText(
      parts.map((part, index) => (index % 2 === 0 ? new SpecialTokensText(part) : (this.#taken[Number(part)] ?? ""))),
    );
  }
}
