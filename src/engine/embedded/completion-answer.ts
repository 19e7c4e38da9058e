import { type AnswerHead, timingsOf, usageOf } from "./chat-answer.ts";
import type { GenerateEnd, GenerateEvent } from "./generate.ts";
import type { TokenLogprob } from "./logprobs.ts";

type Part = Exclude<GenerateEvent, GenerateEnd>;

/** Gathers a completion that is not streamed. Log probabilities are in llama-server's form, the chat's. */
export class WholeCompletion {
  #text = "";
  readonly #logprobs: TokenLogprob[] = [];

  add(part: Part): void {
    if (part.type !== "text") return;
    this.#text += part.text;
    this.#logprobs.push(...(part.logprobs ?? []));
  }

  toBody(head: AnswerHead, end: GenerateEnd, withLogprobs: boolean): object {
    const logprobs = withLogprobs ? { content: this.#logprobs } : null;
    return {
      choices: [{ text: this.#text, index: 0, logprobs, finish_reason: end.reason }],
      ...head,
      object: "text_completion",
      usage: usageOf(end),
      timings: timingsOf(end),
    };
  }
}

/** Writes the frames of a streamed completion. */
export class CompletionFrames {
  readonly #head: AnswerHead;

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  role(): string {
    return "";
  }

  part(part: Part): string {
    if (part.type !== "text") return "";
    const logprobs = part.logprobs === undefined ? null : { content: part.logprobs };
    return this.#frame([{ text: part.text, index: 0, logprobs, finish_reason: null }]);
  }

  end(end: GenerateEnd, includeUsage: boolean): string {
    const timings = { timings: timingsOf(end) };
    const choice = { text: "", index: 0, logprobs: null, finish_reason: end.reason };
    const finish = this.#frame([choice], includeUsage ? {} : timings);
    const usage = includeUsage ? this.#frame([], { usage: usageOf(end), ...timings }) : "";
    return `${finish}${usage}data: [DONE]\n\n`;
  }

  #frame(choices: readonly object[], more: object = {}): string {
    return `data: ${JSON.stringify({ choices, ...this.#head, object: "text_completion", ...more })}\n\n`;
  }
}
