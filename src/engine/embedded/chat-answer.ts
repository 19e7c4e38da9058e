import type { GenerateEnd } from "./generate.ts";

/** What stands in every frame of one answer. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

/** The body of an answer that was not streamed. */
export function wholeAnswer(head: AnswerHead, text: string, end: GenerateEnd): object {
  return {
    choices: [{ finish_reason: end.reason, index: 0, message: { role: "assistant", content: text } }],
    ...head,
    object: "chat.completion",
    usage: usageOf(end),
    timings: timingsOf(end),
  };
}

export function roleFrame(head: AnswerHead): string {
  return frame(head, [{ finish_reason: null, index: 0, delta: { role: "assistant", content: null } }]);
}

export function textFrame(head: AnswerHead, text: string): string {
  return frame(head, [{ finish_reason: null, index: 0, delta: { content: text } }]);
}

/** The last frames: why it ended, the usage where it was asked for, and the mark of a complete stream. */
export function endFrames(head: AnswerHead, end: GenerateEnd, includeUsage: boolean): string {
  const timings = { timings: timingsOf(end) };
  const finish = frame(head, [{ finish_reason: end.reason, index: 0, delta: {} }], includeUsage ? {} : timings);
  const usage = includeUsage ? frame(head, [], { usage: usageOf(end), ...timings }) : "";
  return `${finish}${usage}data: [DONE]\n\n`;
}

function frame(head: AnswerHead, choices: readonly object[], more: object = {}): string {
  return `data: ${JSON.stringify({ choices, ...head, object: "chat.completion.chunk", ...more })}\n\n`;
}

function usageOf(end: GenerateEnd): object {
  return {
    completion_tokens: end.completionTokens,
    prompt_tokens: end.promptTokens,
    total_tokens: end.promptTokens + end.completionTokens,
    prompt_tokens_details: { cached_tokens: end.cachedTokens },
  };
}

/** llama-server's measurements, under its names. */
function timingsOf(end: GenerateEnd): object {
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
