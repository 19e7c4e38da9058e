import type { AnswerPart, AnswerStage } from "../../../dialect/tool-text/answer-part.ts";
import { HarmonyReader } from "./harmony.ts";
import { ThinkingReader, type ThinkingTags } from "./thinking.ts";
import { type ToolCallOptions, ToolCallStage } from "../../../dialect/tool-text/tool-call-stage.ts";

export interface AnswerForm {
  /** In the form of gpt-oss, which needs no more to be told; null: in any other. */
  readonly harmony: { readonly opened: boolean } | null;
  /** Null: the model does not think, or not in a way that is known. */
  readonly thinking: { readonly tags: ThinkingTags; readonly opened: boolean } | null;
  /** Null: whatever looks like a call is text. */
  readonly calls: ToolCallOptions | null;
}

interface Thinks {
  readonly isThinking: boolean;
}

/** The model's text in, the parts of the answer out. One reader for one answer. */
export class AnswerReader {
  readonly #thinking: (AnswerStage & Thinks) | null;
  readonly #calls: ToolCallStage | null;
  readonly #harmony: HarmonyReader | null;

  constructor(form: AnswerForm) {
    if (form.harmony !== null) {
      this.#calls = null;
      this.#thinking = this.#harmony = new HarmonyReader({
        calls: form.calls !== null,
        parallel: form.calls?.parallel ?? true,
        opened: form.harmony.opened,
      });
      return;
    }
    this.#harmony = null;
    this.#thinking = form.thinking === null ? null : new ThinkingReader(form.thinking.tags, form.thinking.opened);
    this.#calls = form.calls === null ? null : new ToolCallStage(form.calls);
  }

  get isThinking(): boolean {
    return this.#thinking?.isThinking ?? false;
  }

  /** All that was wanted is there: the rest of the model's text need not be made. */
  get isOver(): boolean {
    return (this.#calls ?? this.#harmony)?.isOver ?? false;
  }

  push(text: string): AnswerPart[] {
    if (text === "") return [];
    return this.#throughCalls(this.#thinking?.push(text) ?? [{ type: "text", text }]);
  }

  end(): AnswerPart[] {
    return [...this.#throughCalls(this.#thinking?.end() ?? []), ...(this.#calls?.end() ?? [])];
  }

  #throughCalls(parts: AnswerPart[]): AnswerPart[] {
    const calls = this.#calls;
    if (calls === null) return parts;
    return parts.flatMap((part) => (part.type === "text" ? calls.push(part.text) : [part]));
  }
}
