import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { understand } from "../support/official-parsers.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";
import { orderProblems } from "../support/stream-order.ts";

const LEAK = 'Let me see.\n<tool_call>\n{"name": "get_time", "arguments": {"zone": "UTC"}}\n</tool_call>';
const parameters = { type: "object", properties: { zone: { type: "string" } } };
const messages = [{ role: "user", content: "What time is it?" }];
const ASKS = {
  chat: {
    path: "/v1/chat/completions",
    body: { messages, tools: [{ type: "function", function: { name: "get_time", parameters } }], unheard_of: 1 },
  },
  messages: {
    path: "/v1/messages",
    body: { messages, max_tokens: 100, tools: [{ name: "get_time", input_schema: parameters }] },
  },
  responses: {
    path: "/v1/responses",
    body: { input: "What time is it?", tools: [{ type: "function", name: "get_time", parameters }] },
  },
} as const;

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = { text: LEAK };
  gateway = startGateway({ engines: [engine], replica: { toolSyntax: "hermes" } });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

function post(surface: keyof typeof ASKS, more: object): Promise<Response> {
  const { path, body } = ASKS[surface];
  const init = { method: "POST", headers: { "x-api-key": "any" } };
  return fetch(`${gateway.url}${path}`, { ...init, body: JSON.stringify({ model: "scripted", ...body, ...more }) });
}

describe.each(["chat", "messages", "responses"] as const)("%s", (surface) => {
  test.each([true, false])("a call that the engine lets through as text is a call (stream: %p)", async (stream) => {
    const answer = await post(surface, { stream });
    const text = await answer.text();
    if (stream) expect(orderProblems(surface, text)).toEqual([]);
    const said = await understand(surface, new Response(text, { headers: answer.headers }), stream);
    expect(said.text).toBe("Let me see.");
    expect(said.calls.map(({ name }) => name)).toEqual(["get_time"]);
    expect(JSON.parse(said.calls[0]?.arguments ?? "")).toEqual({ zone: "UTC" });
    expect(["tool_calls", "tool_use", "completed"]).toContain(String(said.stop));
    // A stream's headers may be gone by then: a comment says it.
    const adjusted = "tool call read out of the text";
    if (!stream) expect(answer.headers.get("x-flock-adjusted")).toContain(adjusted);
    else expect(text).toContain(`\n: x-flock-adjusted: ${adjusted}\n\n`);
  });
});

test("the body of an OpenAI client still reaches the engine as it was written", async () => {
  await (await post("chat", { stream: true })).text();
  expect(engine.requests.at(-1)?.body).toMatchObject({ unheard_of: 1, tools: ASKS.chat.body.tools as never });
});

test("without tools the same text is text", async () => {
  const answer = await post("messages", { tools: [] });
  expect(await answer.json()).toMatchObject({ content: [{ type: "text", text: LEAK }], stop_reason: "end_turn" });
});
