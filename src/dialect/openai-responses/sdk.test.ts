import { afterAll, beforeEach, expect, test } from "bun:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { z } from "zod";
import { collectAnswer } from "../../core/chat-answer.ts";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { openaiResponses } from "./dialect.ts";
import { echoOf } from "./request-fields.ts";

// The official client reads what is written here, through its own parsers.

const USAGE: ChatEvent = {
  type: "usage",
  usage: { promptTokens: 9, completionTokens: 4, cachedTokens: 3, reasoningTokens: 2 },
};
const DONE: ChatEvent = { type: "done", reason: "stop" };
let script: ChatEvent[] = [];
/** The first request's failure to parse, so that no test passes by a request that would have been refused. */
let refused: unknown = null;

const server = Bun.serve({
  port: 0,
  async fetch(request) {
    const body = (await request.json()) as { stream?: boolean; model: string };
    const parsed = openaiResponses.parseRequest(body);
    if (!parsed.ok) refused = parsed.error;
    const meta: AnswerMeta = {
      id: "resp_1",
      model: body.model,
      createdAt: 1_700_000_000_999,
      includeUsage: true,
      promptTokensEstimate: 7,
      echo: echoOf(body),
    };
    if (!body.stream) {
      const answer = collectAnswer(script);
      if (!answer.ok) return new Response(null, { status: 500 });
      return Response.json(openaiResponses.toResponseBody(answer.value, meta));
    }
    const encoder = openaiResponses.encoder(meta);
    return new Response(script.map((event) => encoder.encode(event)).join(""), {
      headers: { "content-type": "text/event-stream" },
    });
  },
});
afterAll(() => server.stop(true));
beforeEach(() => {
  refused = null;
});

const client = new OpenAI({ baseURL: `http://127.0.0.1:${server.port}/v1`, apiKey: "k", maxRetries: 0 });
const WEATHER = {
  type: "function",
  name: "weather",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
} as const;
const AGENTS = {
  type: "namespace",
  name: "agents",
  description: "Sub-agents",
  tools: [{ type: "function", name: "close", parameters: { type: "object", properties: {} } }],
} as const;
const PATCH = { type: "custom", name: "apply_patch", description: "Patches files" } as const;
const TOOLS = [WEATHER, AGENTS, PATCH];

const ANSWER: ChatEvent[] = [
  { type: "start" },
  { type: "thinking", text: "Let me " },
  { type: "thinking", text: "see." },
  { type: "text", text: "It is " },
  { type: "text", text: "sunny 🌞" },
  { type: "tool_call", index: 0, id: "call_a", name: "weather" },
  { type: "tool_arguments", index: 0, json: '{"city":' },
  { type: "tool_call", index: 1, id: "call_b", name: "agents__close" },
  { type: "tool_arguments", index: 1, json: "{}" },
  { type: "tool_arguments", index: 0, json: '"Rome"}' },
  { type: "tool_call", index: 2, id: "call_c", name: "apply_patch" },
  { type: "tool_arguments", index: 2, json: '{"input":"*** Begin\\n' },
  { type: "tool_arguments", index: 2, json: '\\"x\\""}' },
  USAGE,
  { type: "done", reason: "tool_calls" },
];

function expectWhole(response: OpenAI.Responses.Response): void {
  expect(response).toMatchObject({
    id: "resp_1",
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    model: "m",
    error: null,
    incomplete_details: null,
    output_text: "It is sunny 🌞",
    instructions: "be brief",
    metadata: { a: "b" },
    tool_choice: "auto",
    parallel_tool_calls: true,
    truncation: "disabled",
    text: { format: { type: "text" } },
    usage: {
      input_tokens: 9,
      input_tokens_details: { cached_tokens: 3 },
      output_tokens: 4,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 13,
    },
  });
  expect(response.output.map((item) => item.type)).toEqual([
    "reasoning",
    "message",
    "function_call",
    "function_call",
    "custom_tool_call",
  ]);
  expect(response.output[0]).toMatchObject({ summary: [{ type: "summary_text", text: "Let me see." }] });
  expect(response.output[2]).toMatchObject({ call_id: "call_a", name: "weather", arguments: '{"city":"Rome"}' });
  expect(response.output[3]).toMatchObject({ call_id: "call_b", name: "close", namespace: "agents", arguments: "{}" });
  expect(response.output[4]).toMatchObject({ call_id: "call_c", name: "apply_patch", input: '*** Begin\n"x"' });
  expect(new Set(response.output.map((item) => item.id)).size).toBe(5);
}

const ASKED = {
  model: "m",
  input: "hi",
  instructions: "be brief",
  metadata: { a: "b" },
  tools: TOOLS,
  reasoning: { summary: "auto" },
} as unknown as OpenAI.Responses.ResponseCreateParamsNonStreaming;

test("responses.create reads the whole answer", async () => {
  script = ANSWER;
  expectWhole(await client.responses.create(ASKED));
  expect(refused).toBeNull();
});

test("responses.stream adds the events up to the same answer", async () => {
  script = ANSWER;
  const events: ResponseStreamEvent[] = [];
  const stream = client.responses.stream({ ...ASKED, stream: true });
  for await (const event of stream) events.push(event);
  expectWhole(await stream.finalResponse());
  expect(refused).toBeNull();
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, at) => at));
});

test("streams and whole answers of one response have the same items under the same ids", async () => {
  script = ANSWER;
  const whole = await client.responses.create(ASKED);
  const streamed = await client.responses.stream({ ...ASKED, stream: true }).finalResponse();
  expect(streamed.output.map(({ id, type }) => [id, type])).toEqual(whole.output.map(({ id, type }) => [id, type]));
});

test("responses.parse reads structured output and a strict tool's arguments", async () => {
  script = [{ type: "text", text: '{"name":"x","n":1}' }, USAGE, DONE];
  const format = zodTextFormat(z.object({ name: z.string(), n: z.number() }), "s");
  const parsed = await client.responses.parse({ model: "m", input: "hi", text: { format } });
  expect(parsed.output_parsed).toEqual({ name: "x", n: 1 });
  script = [
    { type: "tool_call", index: 0, id: "c", name: "weather" },
    { type: "tool_arguments", index: 0, json: '{"city":"Rome"}' },
    { type: "done", reason: "tool_calls" },
  ];
  const called = await client.responses.parse({ model: "m", input: "hi", tools: [WEATHER] });
  expect(called.output[0]).toMatchObject({ type: "function_call", parsed_arguments: { city: "Rome" } });
  expect(refused).toBeNull();
});

test("thinking without a summary is read as reasoning text, and a refusal as a refusal", async () => {
  script = [
    { type: "thinking", text: "no" },
    { type: "refusal", text: "I " },
    { type: "refusal", text: "won't" },
    DONE,
  ];
  const response = await client.responses.stream({ model: "m", input: "hi", stream: true }).finalResponse();
  expect(response.output).toMatchObject([
    { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "no" }] },
    { type: "message", content: [{ type: "refusal", refusal: "I won't" }] },
  ]);
});

test("an answer that was cut off is incomplete, with what there is", async () => {
  script = [{ type: "text", text: "half" }, USAGE, { type: "done", reason: "length" }];
  const response = await client.responses.stream({ model: "m", input: "hi", stream: true }).finalResponse();
  expect(response).toMatchObject({
    status: "incomplete",
    incomplete_details: { reason: "max_output_tokens" },
    output_text: "half",
  });
});

test("log probabilities reach the client with the text", async () => {
  const logprob = { token: "a", logprob: -0.5, bytes: [97], top: [{ token: "b", logprob: -1, bytes: [98] }] };
  script = [{ type: "text", text: "a", logprobs: [logprob] }, DONE];
  const response = await client.responses
    .stream({ model: "m", input: "hi", stream: true, include: ["message.output_text.logprobs"], top_logprobs: 1 })
    .finalResponse();
  expect(response.output).toMatchObject([
    { content: [{ logprobs: [{ token: "a", bytes: [97], top_logprobs: [{ token: "b" }] }] }] },
  ]);
});

test("a failure in mid-stream ends the stream as failed, and its code is one that clients act on", async () => {
  script = [
    { type: "text", text: "a" },
    { type: "failed", failure: { kind: "engine_failed", engine: "vllm", cause: "killed" } },
  ];
  const stream = await client.responses.create({ model: "m", input: "hi", stream: true });
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  expect(events.at(-1)).toMatchObject({
    type: "response.failed",
    response: { status: "failed", error: { code: "server_error", message: expect.stringContaining("killed") } },
  });
});
