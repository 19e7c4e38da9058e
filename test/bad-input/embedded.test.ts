import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import fc from "fast-check";
import { embeddedEngine } from "../support/engine-counters.ts";
import { type Flock, startFlock } from "../support/start-flock.ts";
import { CASES, wrongAt } from "./cases.ts";
import { ENDPOINTS, shapeProblem } from "./endpoints.ts";
import { oddBodies } from "./odd-bodies.ts";

let flock: Flock;
beforeAll(async () => {
  flock = await startFlock();
}, 30_000);
afterAll(() => flock.stop());

test("the real process refuses what the gateway refuses, on connections that stay open", async () => {
  const engine = embeddedEngine(flock.dataDir);
  const before = await engine.counters();
  for (const endpoint of ENDPOINTS.filter(({ path }) => path !== "/v1/rerank")) {
    const body = { ...endpoint.body, model: "auto" };
    for (const { what, status, send, headers } of [...CASES, ...wrongAt(endpoint)]) {
      // Its own limit is far above that of the cases.
      if (status === 413) continue;
      const answer = await flock.fetch(endpoint.path, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(status === 401 ? { authorization: "Bearer no" } : {}),
          ...headers,
        },
        body: send({ ...endpoint, body }),
      });
      const text = await answer.text();
      expect([endpoint.path, what, answer.status, text]).toEqual([endpoint.path, what, status, expect.anything()]);
      const problem = shapeProblem(endpoint.surface, status, JSON.parse(text));
      expect([endpoint.path, what, problem]).toEqual([endpoint.path, what, undefined]);
    }
  }
  expect((await engine.counters()).requestsStarted).toBe(before.requestsStarted);
});

test("a body over the limit is refused before it is sent, in the words of the API", async () => {
  const { hostname, port } = new URL(flock.url);
  const ask = async (path: string): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const head = `POST ${path} HTTP/1.1\r\nhost: flock\r\nauthorization: Bearer ${flock.adminKey}\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n`;
    const socket = connect(Number(port), hostname, () => socket.write(head));
    let seen = "";
    socket.on("data", (data) => {
      seen += data.toString();
      if (seen.endsWith("}")) resolve(seen);
    });
    socket.on("close", () => resolve(seen));
    const said = await promise;
    socket.destroy();
    return said;
  };
  expect(await ask("/v1/chat/completions")).toMatch(/^HTTP\/1.1 413 [^]*request_too_large/);
  expect(await ask("/v1/messages")).toMatch(/^HTTP\/1.1 413 [^]*"type":"request_too_large"/);
  expect(await ask("/api/chat")).toMatch(/^HTTP\/1.1 413 [^]*{"error":"/);
});

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
