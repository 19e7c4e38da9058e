import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { understand, type Understood } from "../support/official-parsers.ts";
import type { Script } from "../support/script.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { type Flock, startFlock } from "../support/start-flock.ts";
import { orderProblems } from "../support/stream-order.ts";
import { type Capture, loadCaptures, offeredTools, replay } from "./capture.ts";
import { engineRequestProblems } from "./engine-request.ts";

type Json = Record<string, unknown>;

const CONTEXT_TOKENS = 32_768;
const MODELS = ["m", "gpt-5.6-sol", "nomic-embed-text", "text-embedding-3-small"];
const CAPTURES = loadCaptures();

let engine: ScriptedEngine;
let flock: Flock;
beforeAll(async () => {
  engine = await startScriptedEngine({ model: "qwen3-coder", alsoModels: MODELS, contextTokens: CONTEXT_TOKENS });
  const env = { FLOCK_ENGINE: "llamacpp", FLOCK_LLAMACPP_ENDPOINT: engine.url };
  flock = await startFlock({ env });
});
afterAll(async () => {
  await flock.stop();
  await engine.stop();
});

const of = (...kinds: Capture["kind"][]): Capture[] => CAPTURES.filter(({ kind }) => kinds.includes(kind));
const isThread = ({ body }: Capture): boolean => body?.thread !== undefined;
const chats = of("chat", "messages", "responses").filter((capture) => !isThread(capture));

/** Sends it, and gives what the client made of the answer and what the engine was asked. */
async function exchange(capture: Capture, script: Script): Promise<{ said: Understood; sent: Json }> {
  engine.script = script;
  const before = engine.requests.length;
  const surface = capture.kind as "chat" | "messages" | "responses";
  const answer = await replay(capture, flock.url, flock.adminKey);
  const streamed = capture.body?.stream === true;
  const text = await answer.text();
  expect({ status: answer.status, text: answer.status === 200 ? "" : text }).toEqual({ status: 200, text: "" });
  expect(answer.headers.get("content-type")).toStartWith(streamed ? "text/event-stream" : "application/json");
  const usageAsked = (capture.body?.stream_options as Json | undefined)?.include_usage === true;
  if (streamed) expect(orderProblems(surface, text, { usageAsked })).toEqual([]);
  const { status, headers } = answer;
  const said = await understand(surface, new Response(text, { status, headers }), streamed);
  expect(engine.requests.length).toBe(before + 1);
  const sent = engine.requests.at(-1)?.body ?? {};
  expect(engineRequestProblems(sent, CONTEXT_TOKENS)).toEqual([]);
  expect(said.model).toBe(String(capture.body?.model));
  return { said, sent };
}

const STOPS = {
  chat: { text: "stop", tool: "tool_calls" },
  messages: { text: "end_turn", tool: "tool_use" },
  responses: { text: "completed", tool: "completed" },
} as const;

describe.each(chats.map((capture) => [capture.name, capture] as const))("%s", (_, capture) => {
  const kind = capture.kind as keyof typeof STOPS;
  const streamed = capture.body?.stream === true;
  // The package's own stream helper counts usage only if the client asked for it.
  const usageAsked = (capture.body?.stream_options as Json | undefined)?.include_usage === true;
  const counted = kind !== "chat" || !streamed || usageAsked;

  test("gets its text, its thinking and its usage", async () => {
    const text = "Grüezi, \"die\" Antwort:\n\n```ts\nconst x = '𝒳';\n```\n";
    const usage = { prompt: 1234, completion: 56, cached: 1000 };
    const { said } = await exchange(capture, { thinking: "I weigh it.", text, usage });
    expect(said).toMatchObject({ text, calls: [], stop: STOPS[kind].text });
    const display = (capture.body?.thinking as Json | undefined)?.display;
    if (kind !== "chat") expect(said.thinking).toBe(display === "omitted" ? "" : "I weigh it.");
    if (counted) expect(said).toMatchObject({ inputTokens: 1234, outputTokens: 56 });
  });

  const tools = offeredTools(capture.body);
  if (tools.length === 0) return;
  test("gets its tool calls, in its own names", async () => {
    const wanted = [tools[0], tools.find(({ namespace }) => namespace !== undefined)].filter(
      (tool) => tool !== undefined,
    );
    const input = JSON.stringify({ path: '/tmp/ü "x"\n', deep: [1, { a: null }] });
    const toolCalls = wanted.map(({ name, namespace }) => {
      return { name: namespace === undefined ? name : `${namespace}__${name}`, arguments: input };
    });
    const { said, sent } = await exchange(capture, { toolCalls });
    const known = ((sent.tools ?? []) as { function: { name: string } }[]).map((tool) => tool.function.name);
    for (const { name } of toolCalls) expect(known).toContain(name);
    expect(known).toHaveLength(tools.length);
    expect(said.calls).toEqual(wanted.map((tool) => ({ ...tool, arguments: input })));
    expect(said.stop).toBe(STOPS[kind].tool);
  });
});

test.each(CAPTURES.filter(isThread).map((capture) => [capture.name, capture] as const))(
  "%s is refused so that the package sends the whole history",
  async (_, capture) => {
    const answer = await replay(capture, flock.url, flock.adminKey);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      type: "error",
      error: { type: "invalid_request_error", details: { error_code: "thread_unsupported_request", unsupported: [] } },
    });
  },
);

test.each(of("embeddings").map((capture) => [capture.name, capture] as const))("%s", async (_, capture) => {
  const answer = await replay(capture, flock.url, flock.adminKey);
  if (capture.body?.dimensions !== undefined) {
    // Nothing says that this engine's model was trained for it: a shortened vector would mean nothing.
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('"param":"dimensions"')]);
    return;
  }
  expect(answer.status).toBe(200);
  const { data, usage, model } = (await answer.json()) as { data: Json[]; usage: Json; model: string };
  expect(model).toBe(String(capture.body?.model));
  expect(usage.prompt_tokens).toBeGreaterThan(0);
  expect(data).toHaveLength([capture.body?.input].flat().length);
  const embedding = data[0]?.embedding;
  const asked = capture.body?.encoding_format === "base64";
  const bytes = asked ? Buffer.from(String(embedding), "base64") : null;
  const values = bytes ? [bytes.readFloatLE(0), bytes.readFloatLE(4)] : (embedding as number[]);
  expect(values.map((value) => value.toFixed(2))).toEqual(["0.60", "0.80"]);
});

test.each(of("completions").map((capture) => [capture.name, capture] as const))("%s", async (_, capture) => {
  engine.script = { text: "and so on", usage: { prompt: 7, completion: 3 } };
  const answer = await replay(capture, flock.url, flock.adminKey);
  expect([answer.status, await answer.json()]).toMatchObject([
    200,
    {
      object: "text_completion",
      model: "qwen3-coder",
      choices: [{ index: 0, text: "and so on", finish_reason: "stop" }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    },
  ]);
  expect(engine.requests.at(-1)?.body.prompt).toEqual(capture.body?.prompt);
});

test.each(of("count").map((capture) => [capture.name, capture] as const))("%s", async (_, capture) => {
  engine.script = { text: "x", usage: { prompt: 321, completion: 1 } };
  const before = engine.requests.length;
  const answer = await replay(capture, flock.url, flock.adminKey);
  expect([answer.status, await answer.json()]).toEqual([200, { input_tokens: 321 }]);
  expect(engine.requests.length).toBe(before);
});

test.each(of("models").map((capture) => [capture.name, capture] as const))("%s", async (_, capture) => {
  const answer = await replay(capture, flock.url, flock.adminKey);
  expect(answer.status).toBe(200);
  const body = (await answer.json()) as Json;
  const [model] = Array.isArray(body.data) ? (body.data as Json[]) : [body];
  expect(model).toMatchObject({
    id: "qwen3-coder",
    object: "model",
    type: "model",
    created: expect.any(Number),
    created_at: expect.any(String),
    display_name: expect.any(String),
    context_length: CONTEXT_TOKENS,
    max_input_tokens: CONTEXT_TOKENS,
  });
  if (Array.isArray(body.data))
    expect(body).toMatchObject({ object: "list", has_more: false, first_id: "qwen3-coder" });
});

test.each(of("upgrade").map((capture) => [capture.name, capture] as const))("%s", async (_, capture) => {
  expect((await replay(capture, flock.url, flock.adminKey)).status).toBe(426);
});
