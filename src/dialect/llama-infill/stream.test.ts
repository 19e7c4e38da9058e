import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { CompletionRequest } from "../../core/completion-request.ts";
import { infillCuts, toInfillBody } from "./request.ts";
import { decoder } from "./stream.ts";

function decode(frames: readonly unknown[], cuts: readonly number[] = []): ChatEvent[] {
  const bytes = Buffer.from(frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join(""));
  const decoding = decoder();
  const events: ChatEvent[] = [];
  let start = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    events.push(...decoding.push(bytes.subarray(start, cut)));
    start = cut;
  }
  return [...events, ...decoding.end()];
}

const piece = (content: string) => ({ index: 0, content, tokens: [1], stop: false, id_slot: 0 });
const last = (more: object) => ({ content: "", stop: true, tokens_predicted: 2, tokens_evaluated: 9, ...more });

test("a stream of the engine's own is text, its count, and why it ended, in any pieces", () => {
  const frames = [piece("ret"), piece("urn é"), last({ stop_type: "eos", timings: { cache_n: 4 } })];
  const events: ChatEvent[] = [
    { type: "start" },
    { type: "text", text: "ret" },
    { type: "text", text: "urn é" },
    { type: "usage", usage: { promptTokens: 9, completionTokens: 2, cachedTokens: 4 } },
    { type: "done", reason: "stop" },
  ];
  expect(decode(frames)).toEqual(events);
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 200 }), { maxLength: 8 }), (cuts) => {
      expect(decode(frames, cuts)).toEqual(events);
    }),
    { numRuns: 40 },
  );
});

test.each<[object, ChatEvent]>([
  [{ stop_type: "limit" }, { type: "done", reason: "length" }],
  [
    { stop_type: "word", stopping_word: "\n\n" },
    { type: "done", reason: "stop_sequence", stopSequence: "\n\n" },
  ],
  [{ stop_type: "none" }, { type: "done", reason: "stop" }],
])("%j ends as it says", (more, end) => {
  expect(decode([piece("a"), last(more)]).at(-1)).toEqual(end);
});

test("log probabilities come with their text", () => {
  const probability = { id: 1, token: "a", bytes: [97], logprob: -0.5, top_logprobs: [{ token: "b", logprob: -1 }] };
  expect(decode([{ ...piece("a"), completion_probabilities: [probability] }])[1]).toEqual({
    type: "text",
    text: "a",
    logprobs: [{ token: "a", logprob: -0.5, bytes: [97], top: [{ token: "b", logprob: -1, bytes: null }] }],
  });
});

test("a killed engine, an error and nonsense are failures", () => {
  for (const frames of [[piece("a")], [piece("a"), { error: { message: "no" } }], [{ content: 5 }]]) {
    expect(decode(frames).at(-1)).toMatchObject({ type: "failed", failure: { kind: "engine_failed" } });
  }
});

test("the engine is asked in its own words, and long texts around the gap are named", () => {
  const request: CompletionRequest & { prompt: string } = {
    model: "m",
    prompt: "f(",
    suffix: ")",
    stream: true,
    includeUsage: true,
    maxOutputTokens: 9,
    stop: ["\n"],
    sampling: { temperature: 0 },
    logprobs: { top: 2 },
  };
  expect<unknown>(toInfillBody(request, { cache_prompt: true })).toEqual({
    cache_prompt: true,
    model: "m",
    stream: true,
    max_tokens: 9,
    stop: ["\n"],
    temperature: 0,
    n_probs: 2,
    input_prefix: "f(",
    input_suffix: ")",
  });
  expect(infillCuts(request)).toEqual([]);
  expect(infillCuts({ ...request, suffix: "x".repeat(600) })).toHaveLength(1);
});
