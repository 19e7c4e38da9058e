import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = { text: "ok", usage: { prompt: 17, completion: 1 } };
  gateway = startGateway({ engines: [engine] });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const messages = [{ role: "user", content: "hi" }];
const post = (path: string, body: unknown): Promise<Response> =>
  fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": "any" }, body: JSON.stringify(body) });

test("a base URL typed with one /v1 too many or too few still works", async () => {
  for (const prefix of ["/v1", "/v1/v1", ""]) {
    const body = { model: "scripted", max_tokens: 5, messages };
    for (const path of ["/chat/completions", "/messages", "/messages/count_tokens"]) {
      expect([prefix, path, (await post(`${prefix}${path}`, body)).status]).toEqual([prefix, path, 200]);
    }
    expect((await post(`${prefix}/embeddings`, { model: "scripted", input: "x" })).status).toBe(200);
    const models = await fetch(`${gateway.url}${prefix}/models`, { headers: { "x-api-key": "any" } });
    expect(((await models.json()) as { data: { id: string }[] }).data.map(({ id }) => id)).toContain("scripted");
    expect((await fetch(`${gateway.url}${prefix}/models/scripted`, { headers: { "x-api-key": "any" } })).status).toBe(
      200,
    );
  }
});

test("count_tokens is the engine's own count, in bursts, without a usage row", async () => {
  const rows = gateway.records.length;
  const tools = [{ name: "get_time", input_schema: { type: "object", properties: {} } }];
  const bodies = [
    { model: "claude-sonnet-5", messages },
    { model: "scripted", messages, tools: [] },
    { model: "scripted", messages, system: "Be brief.", tools },
  ];
  const burst = Array.from({ length: 25 }, (_, at) => post("/v1/messages/count_tokens", bodies[at % bodies.length]));
  for (const answer of await Promise.all(burst)) {
    expect(answer.status).toBe(200);
    expect(answer.headers.has("x-flock-count")).toBe(false);
    expect(await answer.json()).toEqual({ input_tokens: 17 });
  }
  expect(gateway.records.length).toBe(rows);
});

test("a bad count_tokens request is refused in Anthropic's shape", async () => {
  const answer = await post("/v1/messages/count_tokens", { model: "scripted", messages: "hi" });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
});
