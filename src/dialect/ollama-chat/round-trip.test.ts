import { expect, test } from "bun:test";
import fc from "fast-check";
import { collectAnswer, type ChatAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { ChatRequest, Message, Part } from "../../core/chat-request.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { ollamaChat } from "./dialect.ts";
import { ollamaGenerate } from "./generate.ts";

const META: AnswerMeta = { id: "x", model: "asked", createdAt: 1e12, includeUsage: true, promptTokensEstimate: 7 };

const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const json = fc.dictionary(word, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }).map((one) => JSON.stringify(one));
const usage = fc
  .record({ promptTokens: fc.nat({ max: 9999 }), completionTokens: fc.nat({ max: 9999 }) })
  .map((counts) => ({ ...counts, cachedTokens: 0 }));

const answerEvents = fc
  .record({
    thinking: fc.array(word, { maxLength: 4 }),
    text: fc.array(word, { maxLength: 4 }),
    calls: fc.array(fc.tuple(word, json), { maxLength: 4 }),
    usage,
    reason: fc.constantFrom("stop", "length" as const),
  })
  .map(({ thinking, text, calls, usage: used, reason }): ChatEvent[] => [
    { type: "start" },
    ...thinking.map((one) => ({ type: "thinking", text: one }) as const),
    ...text.map((one) => ({ type: "text", text: one }) as const),
    ...calls.map(([name], index) => ({ type: "tool_call", index, id: `call_${index}`, name }) as const),
    // The pieces of all calls, interleaved.
    ...[0, 1].flatMap((half) =>
      calls.flatMap(([, input], index): ChatEvent[] => {
        const middle = Math.ceil(input.length / 2);
        return [{ type: "tool_arguments", index, json: half === 0 ? input.slice(0, middle) : input.slice(middle) }];
      }),
    ),
    { type: "usage", usage: used },
    { type: "done", reason: calls.length > 0 && reason === "stop" ? "tool_calls" : reason },
  ]);

function answerOf(events: Iterable<ChatEvent>): ChatAnswer {
  const answer = collectAnswer(events);
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  const toolCalls = answer.value.toolCalls.map((call) => {
    return { ...call, arguments: JSON.stringify(JSON.parse(call.arguments)) };
  });
  return { ...answer.value, toolCalls };
}

test.each([
  ["/api/chat", ollamaChat],
  ["/api/generate", ollamaGenerate],
])("%s: an answer that is written and read again is the same, streamed in any pieces and whole", (_name, dialect) => {
  fc.assert(
    fc.property(answerEvents, fc.array(fc.nat(), { maxLength: 8 }), (events, cuts) => {
      const encoder = dialect.encoder(META);
      const bytes = Buffer.from(events.map((event) => encoder.encode(event)).join(""));
      const decoder = dialect.decoder();
      const read: ChatEvent[] = [];
      let start = 0;
      for (const cut of [...cuts.map((one) => one % bytes.length), bytes.length].sort((a, b) => a - b)) {
        read.push(...decoder.push(bytes.subarray(start, cut)));
        start = cut;
      }
      const expected = answerOf(events);
      expect(answerOf([...read, ...decoder.end()])).toEqual(expected);
      const body = dialect.toResponseBody(expected, META);
      expect(body).toMatchObject({ model: "asked", done: true });
      expect(answerOf(dialect.fromResponseBody(JSON.stringify(body)))).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

const text = word.map((one): Part => ({ type: "text", text: one }));
const image: Part = { type: "image", source: { kind: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" } };

/** Turns as Ollama can say them: one text a message, images behind it. */
const turn: fc.Arbitrary<Message[]> = fc.oneof(
  fc
    .tuple(text, fc.boolean())
    .map(([said, seen]): Message[] => [{ role: "user", parts: seen ? [said, image] : [said] }]),
  fc
    .tuple(fc.array(text, { maxLength: 1 }), fc.array(fc.tuple(word, json, word), { minLength: 1, maxLength: 3 }))
    .map(([said, called]): Message[] => [
      {
        role: "assistant",
        parts: [
          { type: "thinking", text: "hm" },
          ...said,
          ...called.map(([name, input], at) => ({ type: "tool_call", id: `c${at}`, name, arguments: input }) as const),
        ],
      },
      {
        role: "tool",
        parts: called.map(([, , result], at) => {
          return { type: "tool_result", callId: `c${at}`, content: [{ type: "text", text: result }], isError: false };
        }),
      },
    ]),
);

const request: fc.Arbitrary<ChatRequest> = fc
  .record({
    system: text,
    turns: fc.array(turn, { minLength: 1, maxLength: 4 }),
    stream: fc.boolean(),
    stop: fc.array(word, { maxLength: 2 }),
    sampling: fc.record(
      { temperature: fc.constantFrom(0, 0.5), topP: fc.constant(0.9), topK: fc.nat(), minP: fc.constant(0.1) },
      { requiredKeys: [] },
    ),
    tools: fc.array(fc.record({ name: word, description: word, parameters: fc.constant({ type: "object" }) }), {
      maxLength: 2,
    }),
    output: fc.constantFrom<ChatRequest["output"][]>(
      { kind: "text" },
      { kind: "json" },
      { kind: "json_schema", name: "output", schema: { type: "object" }, strict: true },
    ),
    thinking: fc.constantFrom({ enabled: false }, { enabled: true }, { enabled: true, effort: "max" }),
    logprobs: fc.record({ top: fc.nat({ max: 20 }) }),
    maxOutputTokens: fc.nat({ max: 9999 }),
  })
  .map(({ system, turns, stream, ...rest }) => ({
    model: "m",
    messages: [{ role: "system", parts: [system] }, ...turns.flat()],
    stream,
    includeUsage: stream,
    ...rest,
  }));

test("a core request survives Ollama's wire form", () => {
  fc.assert(
    fc.property(request, (asked) => {
      const body: unknown = JSON.parse(JSON.stringify(ollamaChat.toRequestBody(asked)));
      expect<unknown>(ollamaChat.parseRequest(body)).toEqual({ ok: true, value: asked });
    }),
    { numRuns: 200 },
  );
});

test("nothing is encoded after the end", () => {
  for (const last of [
    { type: "done", reason: "stop" },
    { type: "failed", failure: { kind: "internal", id: "e" } },
  ] as const) {
    const encoder = ollamaChat.encoder(META);
    expect(encoder.encode(last)).not.toBe("");
    expect(encoder.encode({ type: "text", text: "late" })).toBe("");
    expect(encoder.encode({ type: "done", reason: "stop" })).toBe("");
  }
});
