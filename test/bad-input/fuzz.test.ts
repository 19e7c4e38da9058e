import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";
import { shapeProblem } from "./endpoints.ts";
import { oddBodies } from "./odd-bodies.ts";

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = { text: "ok" };
  gateway = startGateway({ engines: [engine] });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

test("no body, however it is broken, gets a 5xx, an odd shape, or takes anything down", async () => {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(oddBodies, async ({ endpoint, text }) => {
      const { path, surface } = endpoint;
      const answer = await fetch(`${gateway.url}${path}`, {
        method: "POST",
        headers: { "x-api-key": "any" },
        body: text,
      });
      const said = await answer.text();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status >= 500) throw new Error(`${answer.status}: ${said}`);
      if (answer.status < 400) return;
      const problem = shapeProblem(surface, answer.status, JSON.parse(said));
      if (problem) throw new Error(problem);
    }),
    { numRuns: 1500 },
  );
  expect(gateway.errors).toEqual([]);
  // Neither is all refused nor is nothing.
  expect(statuses.get(200) ?? 0).toBeGreaterThan(150);
  expect(statuses.get(400) ?? 0).toBeGreaterThan(150);
}, 60_000);
