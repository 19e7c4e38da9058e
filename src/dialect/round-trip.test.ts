import { expect, test } from "bun:test";
import fc from "fast-check";
import { collectAnswer, type ChatAnswer } from "../core/chat-answer.ts";
import type { ChatEvent } from "../core/chat-event.ts";
import type { ChatRequest, Message, Part } from "../core/chat-request.ts";
import { anthropicMessages } from "./anthropic-messages/dialect.ts";
import type { AnswerMeta } from "./answer-meta.ts";
import type { ChatDialect } from "./dialect.ts";
import { openaiChat } from "./openai-chat/dialect.ts";
import { openaiResponses } from "./openai-responses/dialect.ts";

const META: AnswerMeta = {
  id: "answer-1",
  model: "asked-for",
  createdAt: 1_700_000_000_000,
  includeUsage: true,
  promptTokensEstimate: 7,
};
const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const usage = fc
  .record({
    promptTokens: fc.nat({ max: 9999 }),
    completionTokens: fc.nat({ max: 9999 }),
    cached: fc.nat({ max: 9999 }),
  })
  .map(({ cached, ...counts }) => ({ ...counts, cachedTokens: Math.min(cached, counts.promptTokens) }));

/** Calls whose argument pieces interleave in any order. */
const calls = fc
  .array(fc.tuple(word, fc.dictionary(word, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 })), { maxLength: 4 })
  .chain((made) => {
    const pieces = made.flatMap(([, input], index) =>
      (JSON.stringify(input).match(/[^]{1,5}/gu) ?? []).map(
        (json) => ({ type: "tool_arguments", index, json }) as const,
      ),
    );
    return fc
      .shuffledSubarray(
        pieces.map((_, at) => at),
        { minLength: pieces.length },
      )
      .map((order) => {
        // Shuffled between calls, in order within each.
        const queues = made.map((_, index) => pieces.filter((piece) => piece.index === index));
        const events: ChatEvent[] = [];
        const opened = new Set<number>();
        for (const at of order) {
          const index = pieces[at]?.index ?? 0;
          for (let open = 0; open <= index; open += 1) {
            if (!opened.has(open))
              events.push({ type: "tool_call", index: open, id: `call_${open}`, name: made[open]?.[0] ?? "" });
            opened.add(open);
          }
          const piece = queues[index]?.shift();
          if (piece) events.push(piece);
        }
        return events;
      });
  });

const answerEvents = fc
  .record({
    thinking: fc.array(word, { maxLength: 4 }),
    text: fc.array(word, { maxLength: 4 }),
    calls,
    usage,
    reason: fc.constantFrom("stop", "length" as const),
  })
  .map(({ thinking, text, calls: called, usage: used, reason }): ChatEvent[] => [
    { type: "start" },
    ...thinking.map((one) => ({ type: "thinking", text: one }) as const),
    ...text.map((one) => ({ type: "text", text: one }) as const),
    ...called,
    { type: "usage", usage: used },
    { type: "done", reason: called.length > 0 && reason === "stop" ? "tool_calls" : reason },
  ]);

function answerOf(events: Iterable<ChatEvent>): Partial<ChatAnswer> {
  const answer = collectAnswer(events);
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  // The stand-in signature of local thinking is no part of what the engine said.
  const { thinkingSignature: _signature, ...rest } = answer.value;
  return {
    ...rest,
    toolCalls: rest.toolCalls.map((call) => ({ ...call, arguments: JSON.stringify(JSON.parse(call.arguments)) })),
  };
}

for (const dialect of [openaiChat, anthropicMessages, openaiResponses]) {
  test(`${dialect.surface}: a stream that is written and read again is the same answer`, () => {
    fc.assert(
      fc.property(answerEvents, (events) => {
        const encoder = dialect.encoder(META);
        const frames = events.map((event) => encoder.encode(event)).join("");
        const decoder = dialect.decoder();
        const read = [...decoder.push(Buffer.from(frames)), ...decoder.end()];
        expect(answerOf(read)).toEqual(answerOf(events));
      }),
      { numRuns: 200 },
    );
  });

  test(`${dialect.surface}: a whole answer that is written and read again is the same`, () => {
    fc.assert(
      fc.property(answerEvents, (events) => {
        const answer = collectAnswer(events);
        if (!answer.ok) throw new Error("no answer");
        const body = dialect.toResponseBody(answer.value, META);
        expect(body).toMatchObject({ id: "answer-1", model: "asked-for" });
        expect(answerOf(dialect.fromResponseBody(JSON.stringify(body)))).toEqual(answerOf(events));
      }),
      { numRuns: 200 },
    );
  });

  test(`${dialect.surface}: nothing is encoded after the end`, () => {
    for (const last of [
      { type: "done", reason: "stop" },
      { type: "failed", failure: { kind: "internal", id: "e" } },
    ] as const) {
      const encoder = dialect.encoder(META);
      expect(encoder.encode(last)).not.toBe("");
      expect(encoder.encode({ type: "text", text: "late" })).toBe("");
      expect(encoder.encode({ type: "done", reason: "stop" })).toBe("");
    }
  });
}

const url = fc.constantFrom("https://x.test/a.png", "http://y.test/");
const base64 = fc.constant({ kind: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" } as const);
const text = word.map((one): Part => ({ type: "text", text: one }));
const image = fc
  .oneof(
    base64,
    url.map((one) => ({ kind: "url", url: one }) as const),
  )
  .map((source): Part => ({ type: "image", source }));
const json = fc.dictionary(word, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 });

/** Turns as both dialects can say them: results are one text each, and nothing is unsigned thinking. */
const turn: fc.Arbitrary<Message[]> = fc.oneof(
  fc.array(fc.oneof(text, image), { minLength: 1, maxLength: 3 }).map((parts): Message[] => [{ role: "user", parts }]),
  fc
    .tuple(fc.array(text, { maxLength: 1 }), fc.array(fc.tuple(word, json, word), { minLength: 1, maxLength: 3 }))
    .map(([said, called]): Message[] => [
      {
        role: "assistant",
        parts: [
          ...said,
          ...called.map(([name, input], at): Part => {
            return { type: "tool_call", id: `c${at}`, name, arguments: JSON.stringify(input) };
          }),
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
    system: fc.array(text, { maxLength: 2 }),
    turns: fc.array(turn, { minLength: 1, maxLength: 4 }),
    stream: fc.boolean(),
    stop: fc.array(word, { maxLength: 2 }),
    sampling: fc.record(
      { temperature: fc.constantFrom(0, 0.5), topP: fc.constant(0.9), topK: fc.nat() },
      { requiredKeys: [] },
    ),
    tools: fc.array(fc.record({ name: word, description: word, parameters: fc.constant({ type: "object" }) }), {
      maxLength: 2,
    }),
    toolChoice: fc.constantFrom({ kind: "auto" }, { kind: "required" }, { kind: "tool", name: "t" } as const),
    parallelToolCalls: fc.boolean(),
    output: fc.constantFrom<ChatRequest["output"][]>(
      { kind: "text" },
      { kind: "json_schema", name: "output", schema: { type: "object" }, strict: true },
    ),
    maxOutputTokens: fc.nat({ max: 9999 }),
    effort: fc.constantFrom("low", "high"),
    user: word,
  })
  .map(({ system, turns, effort, stream, toolChoice, ...rest }) => ({
    model: "m",
    messages: [...(system.length > 0 ? [{ role: "system", parts: system } as const] : []), ...turns.flat()],
    stream,
    includeUsage: stream,
    thinking: { enabled: true, effort },
    toolChoice: toolChoice as NonNullable<ChatRequest["toolChoice"]>,
    ...rest,
  }));

test.each<[ChatDialect]>([[openaiChat], [anthropicMessages], [openaiResponses]])(
  "a core request survives the wire form of %#",
  (dialect) => {
    fc.assert(
      fc.property(request, (asked) => {
        const body: unknown = JSON.parse(JSON.stringify(dialect.toRequestBody(asked)));
        expect<unknown>(dialect.parseRequest(body)).toEqual({ ok: true, value: asked });
      }),
      { numRuns: 200 },
    );
  },
);
