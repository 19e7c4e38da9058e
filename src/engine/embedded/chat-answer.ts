import { newId } from "../../core/id.ts";
import type { GenerateEnd, GenerateEvent } from "./generate.ts";
import type { TokenLogprob } from "./logprobs.ts";

/** What stands in every frame of one answer. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

type Part = Exclude<GenerateEvent, GenerateEnd>;

/** Gathers an answer that is not streamed. */
export class WholeAnswer {
  #text = "";
  #thinking = "";
  readonly #calls: { id: string; name: string; arguments: string }[] = [];
  readonly #logprobs: TokenLogprob[] = [];

  add(part: Part): void {
    switch (part.type) {
      case "text":
        this.#text += part.text;
        this.#logprobs.push(...(part.logprobs ?? []));
        break;
      case "thinking":
        this.#thinking += part.text;
        break;
      case "tool_call":
        this.#calls.push({ id: newCallId(), name: part.name, arguments: "" });
        break;
      case "tool_arguments": {
        const call = this.#calls.at(-1);
        if (call) call.arguments += part.json;
        break;
      }
      case "tool_call_end":
        // What is not a whole call is text, as the model wrote it: nothing has gone out yet.
        if (part.whole) break;
        this.#calls.pop();
        this.#text += part.raw;
    }
  }

  toBody(head: AnswerHead, end: GenerateEnd, withLogprobs: boolean): object {
    const calls = this.#calls.map(({ id, name, arguments: json }) => ({
      id,
      type: "function",
      function: { name, arguments: json },
    }));
    const message = {
      role: "assistant",
      // OpenAI's clients expect null beside calls, and text where there is none.
      content: this.#text === "" && calls.length > 0 ? null : this.#text,
      ...(this.#thinking === "" ? {} : { reasoning_content: this.#thinking }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    };
    const logprobs = withLogprobs ? { logprobs: { content: this.#logprobs } } : {};
    return {
      choices: [{ finish_reason: finishReason(end, calls.length), index: 0, message, ...logprobs }],
      ...head,
      object: "chat.completion",
      usage: usageOf(end),
      timings: timingsOf(end),
    };
  }
}

/** Writes the frames of a streamed answer. */
export class AnswerFrames {
  readonly #head: AnswerHead;
  #calls = 0;
  #begun = false;

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  /** "" where there is nothing to say. */
  part(part: Part): string {
    switch (part.type) {
      case "text":
        return this.#delta({ content: part.text }, part.logprobs);
      case "thinking":
        return this.#delta({ reasoning_content: part.text });
      case "tool_call": {
        this.#calls++;
        const call = { name: part.name, arguments: "" };
        return this.#delta({ tool_calls: [{ index: part.index, id: newCallId(), type: "function", function: call }] });
      }
      case "tool_arguments":
        return this.#delta({ tool_calls: [{ index: part.index, function: { arguments: part.json } }] });
      default:
        return "";
    }
  }

  /** The last frames: why it ended, the usage where it was asked for, and the mark of a complete stream. */
  end(end: GenerateEnd, includeUsage: boolean): string {
    const timings = { timings: timingsOf(end) };
    const choice = { finish_reason: finishReason(end, this.#calls), index: 0, delta: {} };
    const finish = this.#frame([choice], includeUsage ? {} : timings);
    const usage = includeUsage ? this.#frame([], { usage: usageOf(end), ...timings }) : "";
    return `${this.role()}${finish}${usage}data: [DONE]\n\n`;
  }

  /** The first frame, once. */
  role(): string {
    if (this.#begun) return "";
    this.#begun = true;
    return this.#frame([{ finish_reason: null, index: 0, delta: { role: "assistant", content: null } }]);
  }

  #delta(delta: object, logprobs?: readonly TokenLogprob[]): string {
    const more = logprobs === undefined ? {} : { logprobs: { content: logprobs } };
    return this.role() + this.#frame([{ finish_reason: null, index: 0, delta, ...more }]);
  }

  #frame(choices: readonly object[], more: object = {}): string {
    return `data: ${JSON.stringify({ choices, ...this.#head, object: "chat.completion.chunk", ...more })}\n\n`;
  }
}

function newCallId(): string {
  return newId("call", 24);
}

function finishReason(end: GenerateEnd, calls: number): string {
  return end.reason === "stop" && calls > 0 ? "tool_calls" : end.reason;
}

export function usageOf(end: GenerateEnd): object {
  const thought = end.thinkingTokens > 0;
  return {
    completion_tokens: end.completionTokens,
    prompt_tokens: end.promptTokens,
    total_tokens: end.promptTokens + end.completionTokens,
    prompt_tokens_details: { cached_tokens: end.cachedTokens },
    ...(thought ? { completion_tokens_details: { reasoning_tokens: end.thinkingTokens } } : {}),
  };
}

/** llama-server's measurements, under its names. */
export function timingsOf(end: GenerateEnd): object {
  const evaluated = end.promptTokens - end.cachedTokens;
  return {
    cache_n: end.cachedTokens,
    prompt_n: evaluated,
    prompt_ms: round(end.promptMs),
    prompt_per_token_ms: rate(end.promptMs, evaluated),
    prompt_per_second: rate(evaluated * 1000, end.promptMs),
    predicted_n: end.completionTokens,
    predicted_ms: round(end.predictedMs),
    predicted_per_token_ms: rate(end.predictedMs, end.completionTokens),
    predicted_per_second: rate(end.completionTokens * 1000, end.predictedMs),
  };
}

function rate(amount: number, per: number): number {
  return per > 0 ? round(amount / per) : 0;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
