import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { embeddedEngine } from "../support/engine-counters.ts";
import { type Flock, startFlock } from "../support/start-flock.ts";
import { shapeProblem } from "./endpoints.ts";
import { oddBodies } from "./odd-bodies.ts";

let flock: Flock;
beforeAll(async () => {
  flock = await startFlock();
}, 30_000);
afterAll(() => flock.stop());

test("broken bodies neither break the real process nor its engine", async () => {
  let answers = 0;
  const { pid } = embeddedEngine(flock.dataDir);
  await fc.assert(
    fc.asyncProperty(oddBodies, async ({ endpoint, text }) => {
      const body = text.replaceAll('"model":"scripted"', '"model":"auto"');
      const answer = await flock.fetch(endpoint.path, { method: "POST", body });
      const said = await answer.text();
      if (answer.status >= 500) throw new Error(`${answer.status}: ${said}`);
      if (answer.status < 400) {
        answers += 1;
        return;
      }
      const problem = shapeProblem(endpoint.surface, answer.status, JSON.parse(said));
      if (problem) throw new Error(problem);
    }),
    { numRuns: 400 },
  );
  expect(answers).toBeGreaterThan(10);
  expect((await flock.fetch("/readyz")).status).toBe(200);
  expect(embeddedEngine(flock.dataDir).pid).toBe(pid);
}, 60_000);
