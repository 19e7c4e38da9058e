import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";
import { type Case, CASES, LIMIT, right, type Sent, wrongAt } from "./cases.ts";
import { ENDPOINTS, shapeProblem } from "./endpoints.ts";

// Every kind of bad input at every endpoint of every surface: the right status in the right shape, and nothing of it
// reaches an engine.

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = { text: "ok" };
  gateway = startGateway({ engines: [engine], keys: { good: {} }, limits: { maxBodyBytes: LIMIT } });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

async function post(path: string, body: Sent, headers: Case["headers"] = {}): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": "good", ...headers }, body });
}

for (const endpoint of ENDPOINTS) {
  const { path, surface } = endpoint;

  describe(path, () => {
    test("the right body is answered, whatever its content type says", async () => {
      for (const type of [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
      ]) {
        const answer = await post(path, right(endpoint), { "content-type": type });
        expect([type, answer.status]).toEqual([type, 200]);
        await answer.arrayBuffer();
      }
    });

    test("bad input is refused at once, in the API's own shape", async () => {
      for (const { what, status, send, headers } of [...CASES, ...wrongAt(endpoint)]) {
        const asked = engine.requests.length;
        const answer = await post(path, send(endpoint), headers);
        const text = await answer.text();
        expect([what, answer.status, text]).toEqual([what, status, expect.anything()]);
        expect([what, shapeProblem(surface, status, JSON.parse(text))]).toEqual([what, undefined]);
        expect([what, answer.headers.get("content-type")]).toEqual([what, "application/json"]);
        expect([what, answer.headers.get("x-request-id")]).toEqual([what, expect.stringMatching(/^req_/)]);
        // Short, whatever the client sent.
        expect([what, text.length < 1500]).toEqual([what, true]);
        expect([what, engine.requests.length]).toEqual([what, asked]);
      }
      expect(gateway.errors).toEqual([]);
    });
  });
}
