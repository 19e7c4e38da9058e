import { HARMONY_THINKING } from "./harmony.ts";
import { type AnswerPart, type AnswerStage, heldBack } from "../../../dialect/tool-text/answer-part.ts";

/** What stands around a model's thinking. */
export interface ThinkingTags {
  readonly open: string;
  readonly close: string;
}

const KNOWN: readonly ThinkingTags[] = [
  { open: "<think>", close: "</think>" },
  { open: "<seed:think>", close: "</seed:think>" },
  { open: "[THINK]", close: "[/THINK]" },
  { open: "<thinking>", close: "</thinking>" },
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
];

/** By the template's text; null: the model does not think, or in no way that is known here. */
export function thinkingTagsOf(template: string): ThinkingTags | null {
  if (template.includes("<|channel|>analysis")) return HARMONY_THINKING;
  return KNOWN.find(({ open, close }) => template.includes(open) || template.includes(close)) ?? null;
}

/**
 * Tells thinking from the answer. Thinking stands at the beginning or nowhere; `opened` says that the prompt has begun
 * it already. White space around it belongs to neither.
 */
export class ThinkingReader implements AnswerStage {
  readonly #tags: ThinkingTags;
  #state: "before" | "inside" | "behind" | "answer";
  #held = "";

  constructor(tags: ThinkingTags, opened: boolean) {
    this.#tags = tags;
    this.#state = opened ? "inside" : "before";
  }

  get isThinking(): boolean {
    return this.#state === "inside";
  }

  push(text: string): AnswerPart[] {
    if (this.#state === "answer") return text === "" ? [] : [{ type: "text", text }];
    this.#held += text;
    switch (this.#state) {
      case "before":
        return this.#before();
      case "inside":
        return this.#inside();
      default:
        return this.#behind();
    }
  }

  end(): AnswerPart[] {
    const rest = this.#held;
    this.#held = "";
    if (this.#state === "inside") return rest.trim() === "" ? [] : [{ type: "thinking", text: rest.trimEnd() }];
    return rest === "" || this.#state === "behind" ? [] : [{ type: "text", text: rest }];
  }

  #before(): AnswerPart[] {
    const start = this.#held.trimStart();
    if (start.startsWith(this.#tags.open)) {
      this.#held = start.slice(this.#tags.open.length);
      this.#state = "inside";
      return this.#inside();
    }
    if (this.#tags.open.startsWith(start)) return [];
    return this.#answer(this.#held);
  }

  #inside(): AnswerPart[] {
    const at = this.#held.indexOf(this.#tags.close);
    if (at >= 0) {
      const thought = this.#held.slice(0, at).trimEnd();
      this.#held = this.#held.slice(at + this.#tags.close.length);
      this.#state = "behind";
      return [...this.#thought(thought), ...this.#behind()];
    }
    const free = this.#held.length - heldBack(this.#held, [this.#tags.close]);
    const thought = this.#held.slice(0, free).trimEnd();
    this.#held = this.#held.slice(thought.length);
    return this.#thought(thought);
  }

  #started = false;

  #thought(text: string): AnswerPart[] {
    const shown = this.#started ? text : text.trimStart();
    if (shown === "") return [];
    this.#started = true;
    return [{ type: "thinking", text: shown }];
  }

  #behind(): AnswerPart[] {
    const start = this.#held.trimStart();
    return start === "" ? [] : this.#answer(start);
  }

  #answer(text: string): AnswerPart[] {
    this.#state = "answer";
    this.#held = "";
    return [{ type: "text", text }];
  }
}
