import { type Llama, type LlamaGrammar, LlamaGrammarEvaluationState, type LlamaModel } from "node-llama-cpp";
import { err, ok, type Result } from "../../../core/result.ts";

const MOST_KEPT = 16;

/** Compiled grammars by their text: an agent sends the same one with every turn. */
export class GrammarCache {
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #kept = new Map<string, LlamaGrammar>();

  constructor(llama: Llama, model: LlamaModel) {
    this.#llama = llama;
    this.#model = model;
  }

  /** A state for one answer. The error is llama.cpp's, about the grammar's text. */
  async begin(text: string): Promise<Result<LlamaGrammarEvaluationState, string>> {
    try {
      const grammar = this.#kept.get(text) ?? (await this.#llama.createGrammar({ grammar: text }));
      // Taken out and put in again: the map's order is that of last use.
      this.#kept.delete(text);
      this.#kept.set(text, grammar);
      const [oldest] = this.#kept.keys();
      if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
      return ok(new LlamaGrammarEvaluationState({ model: this.#model, grammar }));
    } catch (error) {
      return err(error instanceof Error ? error.message : String(error));
    }
  }
}
