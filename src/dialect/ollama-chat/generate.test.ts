import { expect, test } from "bun:test";
import type { ChatEvent } from "../../core/chat-event.ts";
import { ollamaGenerate, ollamaInsert, parseGenerate, planCompletion } from "./generate.ts";

const META = { id: "x", model: "m", createdAt: 0, includeUsage: true, promptTokensEstimate: 1 };
const TARGET = { model: "engine-name", numCtx: 4096, canThink: false };

test("a prompt is a chat of one turn", () => {
  const body = {
    model: "m",
    prompt: "why?",
    system: "be short",
    images: ["iVBORw0KGgo="],
    format: "json",
    think: true,
    options: { temperature: 0 },
    context: [1, 2],
  };
  expect<unknown>(ollamaGenerate.parseRequest(body)).toEqual({
    ok: true,
    value: {
      model: "m",
      messages: [
        { role: "system", parts: [{ type: "text", text: "be short" }] },
        {
          role: "user",
          parts: [
            { type: "text", text: "why?" },
            { type: "image", source: { kind: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" } },
          ],
        },
      ],
      stream: true,
      includeUsage: true,
      stop: [],
      sampling: { temperature: 0 },
      tools: [],
      output: { kind: "json" },
      thinking: { enabled: true },
    },
  });
});

test("a prompt with a suffix is a gap to fill, which is no chat", () => {
  const body = { model: "m", prompt: "def f(", suffix: "return 1", stream: false, options: { num_predict: 9 } };
  const request = {
    model: "m",
    prompt: "def f(",
    suffix: "return 1",
    stream: false,
    includeUsage: false,
    maxOutputTokens: 9,
    stop: [],
    sampling: {},
  };
  expect<unknown>(parseGenerate(body)).toEqual({ ok: true, value: { kind: "completion", request } });
  expect<unknown>(ollamaInsert.parseRequest(body)).toMatchObject({ ok: true, value: { choices: [request] } });
  expect(ollamaGenerate.parseRequest(body)).toMatchObject({ ok: false, error: { capability: "suffix" } });
  expect(ollamaInsert.parseRequest({ model: "m", prompt: "a" })).toMatchObject({ ok: false });
});

test("a raw prompt goes on as it is", () => {
  const parsed = parseGenerate({ model: "m", prompt: "a", raw: true });
  expect(parsed).toMatchObject({ ok: true, value: { kind: "completion", request: { prompt: "a" } } });
  expect(parsed).not.toHaveProperty("value.request.suffix");
});

test.each<[object, string]>([[{ template: "{{ .Prompt }}" }, "template"]])(
  "%j is refused by name",
  (body, capability) => {
    expect(parseGenerate({ model: "m", prompt: "a", ...body })).toMatchObject({
      ok: false,
      error: { kind: "unsupported", capability },
    });
  },
);

test.each<[object, string]>([
  [{ prompt: "" }, "prompt"],
  [{ prompt: 5 }, "prompt"],
  [{ images: ["nonsense!"] }, "images[0]"],
  [{ suffix: "b", system: "s" }, "system"],
  [{ suffix: "b", format: "json" }, "format"],
])("%j is refused by its path", (body, field) => {
  expect(parseGenerate({ model: "m", prompt: "a", ...body })).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", field },
  });
});

test("empty members say nothing", () => {
  const body = { model: "m", prompt: "a", suffix: "", system: "", template: "", raw: false, images: [], context: null };
  expect(parseGenerate(body)).toMatchObject({ ok: true, value: { kind: "chat", request: { messages: [{}] } } });
});

test("an engine completes a text raw, and fills a gap by the model's own template", () => {
  const request = { model: "m", prompt: "a", stream: true, includeUsage: true, stop: [], sampling: { seed: 1 } };
  expect<unknown>(planCompletion(request, TARGET)).toEqual({
    ok: true,
    value: {
      model: "engine-name",
      prompt: "a",
      raw: true,
      stream: true,
      truncate: false,
      shift: false,
      options: { seed: 1, num_ctx: 4096 },
    },
  });
  const gap = planCompletion({ ...request, suffix: "b", logprobs: { top: 2 } }, TARGET);
  expect(gap).toMatchObject({ ok: true, value: { suffix: "b", logprobs: true, top_logprobs: 2 } });
  expect(gap).not.toHaveProperty("value.raw");
  expect(planCompletion({ ...request, prompt: "" }, TARGET)).toMatchObject({
    ok: false,
    error: { capability: "empty prompt" },
  });
});

test("an answer that is written is read again, streamed and whole", () => {
  const events: ChatEvent[] = [
    { type: "start", model: "m" },
    { type: "text", text: "a" },
    { type: "usage", usage: { promptTokens: 1, completionTokens: 2, cachedTokens: 0 } },
    { type: "done", reason: "length" },
  ];
  const encoding = ollamaInsert.encoder(META);
  const decoding = ollamaInsert.decoder();
  const bytes = Buffer.from(events.map((event) => encoding.encode(event)).join(""));
  expect([...decoding.push(bytes), ...decoding.end()]).toEqual(events);
  const answer = { text: "a", thinking: "", refusal: "", toolCalls: [], logprobs: [], reason: "length" as const };
  const usage = { promptTokens: 1, completionTokens: 2, cachedTokens: 0 };
  const body = JSON.stringify(ollamaGenerate.toResponseBody({ ...answer, usage }, META));
  expect(ollamaGenerate.fromResponseBody(body)).toEqual(events);
});
