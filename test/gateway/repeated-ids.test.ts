import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

// An engine that numbers its calls anew in each answer, as models do that write the ids themselves.

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = { toolCalls: [{ name: "read", arguments: "{}" }] };
  gateway = startGateway({ engines: [engine] });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const parameters = { type: "object", properties: {} };
const ASKS = {
  "/v1/messages": (id: string) => ({
    tools: [{ name: "read", input_schema: parameters }],
    max_tokens: 100,
    messages: [
      { role: "user", content: "read" },
      { role: "assistant", content: [{ type: "tool_use", id, name: "read", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: id, content: "x" }] },
    ],
  }),
  "/v1/responses": (id: string) => ({
    tools: [{ type: "function", name: "read", parameters }],
    input: [
      { role: "user", content: "read" },
      { type: "function_call", call_id: id, name: "read", arguments: "{}" },
      { type: "function_call_output", call_id: id, output: "x" },
    ],
  }),
} as const;

async function callIds(path: keyof typeof ASKS, earlier: string, stream: boolean): Promise<string[]> {
  const body = JSON.stringify({ model: "scripted", stream, ...ASKS[path](earlier) });
  const answer = await fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": "any" }, body });
  const text = await answer.text();
  return [...new Set([...text.matchAll(/"(?:call_)?id":"(call_[^"]*)"/g)].map(([, id = ""]) => id))];
}

test.each([
  ["/v1/messages", true],
  ["/v1/messages", false],
  ["/v1/responses", true],
  ["/v1/responses", false],
] as const)("a call never has the id of an earlier one: %s (stream: %p)", async (path, stream) => {
  const [given = ""] = await callIds(path, "call_of_another_turn", stream);
  expect(await callIds(path, "call_of_another_turn", stream)).toEqual([given]);
  const again = await callIds(path, given, stream);
  expect(again).toHaveLength(1);
  expect(again).not.toEqual([given]);
});
