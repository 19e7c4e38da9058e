import type { LlamaModel, Token } from "node-llama-cpp";

/** A character of UTF-8 has at most four bytes, and a token at least one: longer waiting brings nothing. */
const MAX_HELD_TOKENS = 4;
const UNFINISHED = "\uFFFD";

/** How many tokens before a piece of text the library looks at to tell whether a space is missing between them. */
const LOOK_BACK_TOKENS = 4;

/** Tokens to text, one by one. Half a character is held back until its other tokens have come. */
export class TokenText {
  readonly #model: Pick<LlamaModel, "detokenize">;
  readonly #marks: ReadonlyMap<Token, string>;
  #before: Token[];
  #held: Token[] = [];

  /** `marks`: control tokens that are text all the same; the others show nothing. */
  constructor(
    model: Pick<LlamaModel, "detokenize">,
    prompt: readonly Token[],
    marks: ReadonlyMap<Token, string> = new Map(),
  ) {
    this.#model = model;
    this.#marks = marks;
    this.#before = prompt.slice(-LOOK_BACK_TOKENS);
  }

  push(token: Token): string {
    const mark = this.#marks.get(token);
    if (mark !== undefined) {
      const rest = this.flush();
      this.#held.push(token);
      this.#take();
      return rest + mark;
    }
    this.#held.push(token);
    const text = this.#model.detokenize(this.#held, false, this.#before);
    if (text.endsWith(UNFINISHED) && this.#held.length < MAX_HELD_TOKENS) return "";
    this.#take();
    return text;
  }

  flush(): string {
    if (this.#held.length === 0) return "";
    const text = this.#model.detokenize(this.#held, false, this.#before);
    this.#take();
    return text;
  }

  #take(): void {
    this.#before = [...this.#before, ...this.#held].slice(-LOOK_BACK_TOKENS);
    this.#held = [];
  }
}
