import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  gateway = startGateway({ engines: [engine], replica: { contextTokens: 8192 } });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const asks = (content: string) => ({ messages: [{ role: "user", content }] });
const post = (path: string, body: object): Promise<Response> =>
  fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "x-api-key": "any" },
    body: JSON.stringify({ model: "scripted", max_tokens: 50, ...body }),
  });

test("a prompt that does not fit is refused in the words that each client knows, and no engine works on it", async () => {
  engine.script = { text: "never", usage: { prompt: 9000, completion: 1 } };
  const long = "x ".repeat(10_000);
  for (const stream of [true, false]) {
    const messages = await post("/v1/messages", { ...asks(long), stream });
    expect([messages.status, await messages.json()]).toMatchObject([
      400,
      { error: { type: "invalid_request_error", message: "prompt is too long: 9000 tokens > 8192 maximum" } },
    ]);
    for (const [path, body] of [
      ["/v1/chat/completions", asks(long)],
      ["/v1/responses", { input: long }],
    ] as const) {
      const answer = await post(path, { ...body, stream });
      const error = { code: "context_length_exceeded", message: expect.stringMatching(/9000 tokens.* 8192 tokens/) };
      expect([path, answer.status, await answer.json()]).toMatchObject([path, 400, { error }]);
    }
  }
  expect(engine.requests).toHaveLength(0);
  expect(gateway.records.at(-1)).toMatchObject({ outcome: "error", errorKind: "context_exceeded" });
});

test("one that may not fit but does is answered, and a short one is not even counted", async () => {
  engine.script = { text: "fine", usage: { prompt: 8000, completion: 1 } };
  expect((await post("/v1/messages", asks("x ".repeat(10_000)))).status).toBe(200);
  // The engine alone knows that these few bytes are too many tokens; its refusal is put into the client's words.
  const error = { code: 400, message: "no", type: "exceed_context_size_error", n_prompt_tokens: 9001, n_ctx: 8192 };
  engine.script = { status: 400, body: JSON.stringify({ error }), usage: { prompt: 9000, completion: 1 } };
  const refused = await post("/v1/messages", asks("7 ".repeat(1000)));
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("9001 tokens > 8192 maximum")]);
});
