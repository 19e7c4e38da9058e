import { afterAll, expect, test } from "bun:test";
import { poll } from "../test/support/start-flock.ts";
import type { LoadPlan } from "./load-plan.ts";
import { EXTRA_FRAMES } from "./mock-answers.ts";
import { startMockEngine } from "./mock-engine.ts";
import { runLoad } from "./run-load.ts";

const engine = startMockEngine({ models: ["mock-16x0"] });
afterAll(() => engine.stop());

function plan(model: string, stream: boolean, more: Partial<LoadPlan> = {}): LoadPlan {
  const pieces = Number(/^mock-(\d+)/.exec(model)?.[1]);
  return {
    port: engine.port,
    path: "/v1/chat/completions",
    headers: {},
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: "How many?" }] }),
    loop: { kind: "closed", connections: 4, spreadMs: 0 },
    maxRequests: 40,
    maxMs: 5000,
    graceMs: 1000,
    expect: stream ? { kind: "stream", form: "chat", frames: pieces + EXTRA_FRAMES } : { kind: "whole" },
    abortEvery: 0,
    ...more,
  };
}

test("the mock engine speaks as llama-server does", async () => {
  const get = async (path: string): Promise<unknown> => (await fetch(`http://127.0.0.1:${engine.port}${path}`)).json();
  expect(await get("/health")).toEqual({ status: "ok" });
  expect(await get("/v1/models")).toMatchObject({ data: [{ id: "mock-16x0" }] });
  expect(await get("/props")).toMatchObject({ total_slots: 1024, default_generation_settings: { n_ctx: 32_768 } });
  const answer = await fetch(`http://127.0.0.1:${engine.port}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "mock-2x0", stream: true, stream_options: { include_usage: true } }),
  });
  const frames = (await answer.text()).trimEnd().split("\n\n");
  const parsed = frames.slice(0, -1).map((frame) => JSON.parse(frame.slice("data: ".length)) as unknown);
  expect(parsed).toMatchObject([
    { choices: [{ delta: { role: "assistant" } }] },
    { choices: [{ delta: { content: " word0" } }] },
    { choices: [{ delta: { content: " the end." } }] },
    { choices: [{ delta: {}, finish_reason: "stop" }] },
    { choices: [], usage: { completion_tokens: 2 } },
  ]);
  expect(frames.at(-1)).toBe("data: [DONE]");
});

test("a closed loop makes as many requests as planned, and each answer is whole", async () => {
  const before = engine.stats.requests;
  const result = await runLoad(plan("mock-16x0", false));
  expect(result).toMatchObject({ whole: 40, lost: 0, aborted: 0, firstTokenMs: null });
  expect(engine.stats.requests - before).toBe(40);
});

test("all frames of instant and of paced streams are counted", async () => {
  expect(await runLoad(plan("mock-16x0", true))).toMatchObject({ whole: 40, lost: 0, frames: 40 * 19 });
  const paced = await runLoad(plan("mock-8x5", true, { maxRequests: 8 }));
  expect(paced).toMatchObject({ whole: 8, lost: 0, frames: 8 * 11 });
  // Eight pieces, the first at once and then the end: eight pauses of 5 ms.
  expect(paced.latencyMs.p50).toBeGreaterThan(35);
  expect(paced.firstTokenMs?.p50).toBeLessThan(paced.latencyMs.p50 - 30);
});

test("an open loop keeps its rate whatever the answers take, and counts from when a request was due", async () => {
  const loop = { kind: "open", perSecond: 100, maxConnections: 100 } as const;
  const result = await runLoad(plan("mock-1x0-d100", false, { loop, maxRequests: 30 }));
  expect(result).toMatchObject({ whole: 30, lost: 0 });
  expect(result.latencyMs.p50).toBeGreaterThanOrEqual(99);
  expect(result.elapsedMs).toBeGreaterThan(380);
  const narrow = await runLoad(plan("mock-1x0-d100", false, { loop: { ...loop, maxConnections: 1 }, maxRequests: 5 }));
  expect(narrow).toMatchObject({ whole: 5, lost: 0 });
  expect(narrow.latencyMs.p99).toBeGreaterThan(400);
  const lateLoop = plan("mock-1x0-d100", false, { loop: { ...loop, maxConnections: 1 }, maxMs: 200, graceMs: 200 });
  const late = await runLoad(lateLoop);
  expect(late.whole + late.lost).toBeGreaterThan(15);
  expect(late.lost).toBeGreaterThan(10);
});

test("answers that are cut, wrong or late are losses with their reason", async () => {
  const wrong = await runLoad(
    plan("mock-4x0", true, { expect: { kind: "stream", form: "chat", frames: 99 }, maxRequests: 2 }),
  );
  expect(wrong).toMatchObject({ whole: 0, lost: 2, problems: { "7 frames": 2 } });
  const refused = await runLoad(plan("unknown", false, { maxRequests: 2 }));
  expect(refused).toMatchObject({ whole: 0, lost: 2, problems: { "status 400": 2 } });
  const late = await runLoad(plan("mock-1x0-d5000", false, { maxRequests: 2, maxMs: 50, graceMs: 50 }));
  expect(late).toMatchObject({ whole: 0, lost: 2, problems: { "not done in time": 2 } });
  const nobody = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = nobody;
  nobody.stop(true);
  const gone = await runLoad(plan("mock-16x0", false, { port, maxRequests: 2 }));
  expect(gone).toMatchObject({ whole: 0, lost: 2, problems: { "no connection": 2 } });
});

test("every n-th answer is hung up on, and the engine sees it", async () => {
  const before = engine.stats.cut;
  const result = await runLoad(plan("mock-50x2", true, { abortEvery: 5, maxRequests: 20 }));
  expect(result).toMatchObject({ whole: 16, aborted: 4, lost: 0 });
  await poll(5000, () => engine.stats.openStreams === 0);
  expect(engine.stats.cut - before).toBe(4);
});
