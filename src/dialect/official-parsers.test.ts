import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { collectAnswer } from "../core/chat-answer.ts";
import type { ChatEvent, FinishReason } from "../core/chat-event.ts";
import { understand } from "../../test/support/official-parsers.ts";
import { orderProblems } from "../../test/support/stream-order.ts";
import { anthropicMessages } from "./anthropic-messages/dialect.ts";
import type { AnswerMeta } from "./answer-meta.ts";
import type { ChatDialect } from "./dialect.ts";
import { ollamaChat } from "./ollama-chat/dialect.ts";
import { openaiChat } from "./openai-chat/dialect.ts";
import { openaiResponses } from "./openai-responses/dialect.ts";

const META: AnswerMeta = {
  id: "answer-1",
  model: "asked-for",
  createdAt: 1_700_000_000_000,
  includeUsage: true,
  promptTokensEstimate: 7,
};

const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const says = (type: "text" | "thinking") => word.map((text): Piece[] => [{ type, text }]);
/** A call in pieces; its number comes when all are in order. */
const call = fc
  .tuple(fc.stringMatching(/^[a-z_]{1,8}$/), fc.dictionary(word, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 }))
  .map(([name, input]): Piece[] => {
    const json = JSON.stringify(input).match(/[^]{1,5}/gu) ?? [];
    return [{ type: "call", name }, ...json.map((piece): Piece => ({ type: "json", json: piece }))];
  });

type Piece =
  | { readonly type: "text" | "thinking"; readonly text: string }
  | { readonly type: "call"; readonly name: string }
  | { readonly type: "json"; readonly json: string };

/** Answers as models give them at their worst: thinking between texts, text behind calls, nothing at all. */
const answers = fc
  .record({
    pieces: fc.array(fc.oneof(says("text"), says("text"), says("thinking"), call), { maxLength: 8 }),
    prompt: fc.nat({ max: 9999 }),
    completion: fc.nat({ max: 9999 }),
    cut: fc.boolean(),
  })
  .map(({ pieces, prompt, completion, cut }): ChatEvent[] => {
    let index = -1;
    const events = pieces.flat().map((piece): ChatEvent => {
      if (piece.type === "call") return { type: "tool_call", index: ++index, id: `call_${index}`, name: piece.name };
      if (piece.type === "json") return { type: "tool_arguments", index, json: piece.json };
      return { type: piece.type, text: piece.text };
    });
    const reason: FinishReason = cut ? "length" : index >= 0 ? "tool_calls" : "stop";
    const usage = { promptTokens: prompt, completionTokens: completion, cachedTokens: Math.floor(prompt / 2) };
    return [{ type: "start" }, ...events, { type: "usage", usage }, { type: "done", reason }];
  });

function collected(events: readonly ChatEvent[]) {
  const answer = collectAnswer(events);
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value;
}

const same = (json: string): unknown => JSON.parse(json === "" ? "{}" : json);

const SURFACES = [
  ["chat", openaiChat],
  ["messages", anthropicMessages],
  ["responses", openaiResponses],
] as const satisfies readonly (readonly [string, ChatDialect])[];

describe.each(SURFACES)("%s", (surface, dialect) => {
  test("any answer is understood by the official package, streamed and whole, and its stream is in order", async () => {
    await fc.assert(
      fc.asyncProperty(answers, async (events) => {
        const encoder = dialect.encoder(META);
        const stream = events.map((event) => encoder.encode(event)).join("");
        expect(orderProblems(surface, stream, { usageAsked: true })).toEqual([]);
        const expected = collected(events);
        const whole = JSON.stringify(dialect.toResponseBody(expected, META));
        for (const [body, streamed] of [
          [stream, true],
          [whole, false],
        ] as const) {
          const type = streamed ? "text/event-stream" : "application/json";
          const said = await understand(surface, new Response(body, { headers: { "content-type": type } }), streamed);
          expect({ text: said.text, calls: said.calls.map((one) => [one.name, same(one.arguments)]) }).toEqual({
            text: expected.text,
            calls: expected.toolCalls.map((one) => [one.name, same(one.arguments)]),
          });
          if (surface !== "chat") expect(said.thinking).toBe(expected.thinking);
          expect([said.inputTokens, said.outputTokens]).toEqual([
            expected.usage.promptTokens,
            expected.usage.completionTokens,
          ]);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("a failure at any place is an error to the official package, never an answer", async () => {
    await fc.assert(
      fc.asyncProperty(answers, fc.nat({ max: 20 }), async (events, at) => {
        const encoder = dialect.encoder(META);
        const before = events.slice(0, Math.min(at, events.length - 1)).filter(({ type }) => type !== "usage");
        const failed: ChatEvent = { type: "failed", failure: { kind: "engine_failed", engine: "e", cause: "it died" } };
        const stream = [...before, failed].map((event) => encoder.encode(event)).join("");
        const answer = new Response(stream, { headers: { "content-type": "text/event-stream" } });
        const said = await understand(surface, answer, true).catch((error: unknown) => error);
        // The Responses' own parser gives the failed response itself.
        if (surface === "responses" && !(said instanceof Error)) expect(said).toMatchObject({ stop: "failed" });
        else expect(said).toBeInstanceOf(Error);
      }),
      { numRuns: 100 },
    );
  });
});

test("ollama: every line is JSON, the last one and no other is done", () => {
  fc.assert(
    fc.property(answers, (events) => {
      const encoder = ollamaChat.encoder(META);
      const text = events.map((event) => encoder.encode(event)).join("");
      expect(text).toEndWith("\n");
      const lines = text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { done: boolean });
      expect(lines.map(({ done }) => done)).toEqual(lines.map((_, at) => at === lines.length - 1));
    }),
    { numRuns: 100 },
  );
});
