import { afterAll, expect, test } from "bun:test";
import OpenAI from "openai";
import { collectAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import { openaiCompletions } from "./dialect.ts";

// The official client reads what is written here, through its own parser.

const EVENTS: ChatEvent[] = [
  { type: "start" },
  { type: "text", text: "a é" },
  { type: "text", text: "😀" },
  { type: "usage", usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0 } },
  { type: "done", reason: "length" },
];

const server = Bun.serve({
  port: 0,
  async fetch(request) {
    const parsed = openaiCompletions.parseRequest(await request.json());
    if (!parsed.ok) return Response.json(parsed.error, { status: 400 });
    const { model, stream, includeUsage } = parsed.value;
    const meta = { id: "cmpl-1", model, createdAt: 1e12, includeUsage, promptTokensEstimate: 1 };
    const encoder = openaiCompletions.encoder(meta);
    const answer = collectAnswer(EVENTS);
    if (!answer.ok) return new Response(null, { status: 500 });
    if (!stream) return Response.json(openaiCompletions.toResponseBody([answer.value], meta));
    const frames = EVENTS.map((event) => encoder.encode(event)).join(openaiCompletions.keepAlive);
    return new Response(frames, { headers: { "content-type": "text/event-stream" } });
  },
});
afterAll(() => server.stop(true));
const client = new OpenAI({ baseURL: `${server.url.origin}/v1`, apiKey: "k", maxRetries: 0 });

test("the client reads a whole completion", async () => {
  const completion = await client.completions.create({ model: "m", prompt: "p", suffix: "s" });
  expect(completion).toMatchObject({ id: "cmpl-1", object: "text_completion", model: "m" });
  expect(completion.choices[0]).toMatchObject({ text: "a é😀", finish_reason: "length" });
  expect(completion.usage?.total_tokens).toBe(5);
});

test("the client reads a streamed completion", async () => {
  const stream = await client.completions.create({
    model: "m",
    prompt: "p",
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let reason: string | undefined;
  let tokens: number | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.text ?? "";
    reason = chunk.choices[0]?.finish_reason ?? reason;
    tokens = chunk.usage?.total_tokens ?? tokens;
  }
  expect([text, reason, tokens]).toEqual(["a é😀", "length", 5]);
});
