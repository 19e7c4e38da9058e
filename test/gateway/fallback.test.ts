import { afterEach, expect, test } from "bun:test";
import { able } from "../../src/core/test-replica.ts";
import { HEALTH_TIMES } from "../../src/health/health-times.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { poll } from "../support/start-flock.ts";
import { type GatewayOptions, startGateway, type TestGateway } from "../support/start-gateway.ts";

let engines: ScriptedEngine[] = [];
let gateway: TestGateway;
/** The model `scripted` and, in its place, `other`. */
async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  engines = [await startScriptedEngine(), await startScriptedEngine({ model: "other" })];
  const [first, second] = engines;
  if (first) first.script = { status: 500, body: "broken" };
  if (second) second.script = { text: "from the other" };
  const replicas = [{}, { model: "other", engineModel: "other" }];
  gateway = startGateway({ engines, replicas, fallbacks: { scripted: ["other"] }, ...options });
}
afterEach(async () => {
  await gateway.stop();
  await Promise.all(engines.map((engine) => engine.stop()));
});

test("an engine's error is answered by the next model of the chain, and the headers say so", async () => {
  await start();
  for (const stream of [false, true]) {
    const answer = await gateway.chat({ stream });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("from the other".slice(0, 4));
    expect(answer.headers.get("x-flock-model")).toBe("other");
    expect(answer.headers.get("x-flock-route")).toBe("exact; fallback from scripted: engine_failed; only replica");
  }
  const record = gateway.records[0];
  expect(record).toMatchObject({ requestedModel: "scripted", servedModel: "other", outcome: "ok", attempts: 2 });
  expect(record?.routeReason).toContain("fallback from scripted");
});

test("an engine that is not there and one that says nothing in time are left for the chain, too", async () => {
  await start({ limits: { firstTokenMs: 300 } });
  const [first] = engines;
  if (!first) throw new Error("no engine");
  first.script = { headerDelayMs: 60_000 };
  const late = await gateway.messages({});
  expect(late.status).toBe(200);
  expect(late.headers.get("x-flock-route")).toContain("fallback from scripted: engine_timeout");
  await first.stop();
  const gone = await gateway.chat({ stream: true });
  expect(gone.status).toBe(200);
  expect(gone.headers.get("x-flock-route")).toContain("fallback from scripted: engine_unreachable");
  await gone.text();
});

test("after the first content nothing falls back: the failure is the stream's last event", async () => {
  await start();
  const [first, second] = engines;
  if (first) first.script = { text: "some words and then", fault: "cut", faultAfter: 2 };
  const text = await (await gateway.chat({ stream: true })).text();
  expect(text).toContain('"error"');
  expect(second?.requests).toHaveLength(0);
});

test("a model that the key may not use, or that lacks what the request needs, is not fallen back to", async () => {
  await start({ keys: { narrow: { models: ["scripted"] }, wide: {} } });
  const narrow = await gateway.chat({}, { headers: { authorization: "Bearer narrow" } });
  expect(narrow.status).toBe(502);
  await gateway.stop();
  const abilities = able("chat");
  const replicas = [{}, { model: "other", engineModel: "other", abilities }];
  gateway = startGateway({ engines, replicas, fallbacks: { scripted: ["other"] } });
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  expect((await gateway.chat({ tools })).status).toBe(502);
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
  expect((await gateway.chat({ messages: [{ role: "user", content: [image] }] })).status).toBe(502);
  expect((await gateway.chat({})).status).toBe(200);
});

test("what the engine refuses because the client did wrong is not asked of another model", async () => {
  await start();
  const [first, second] = engines;
  if (first) first.script = { status: 400, body: JSON.stringify({ error: { message: "no", code: 400 } }) };
  expect((await gateway.chat({})).status).toBe(400);
  expect(second?.requests).toHaveLength(0);
});

test("an outage is not multiplied: retries are a part of the requests", async () => {
  await start({ fallbacks: {}, replicas: [{}, {}], health: { ...HEALTH_TIMES, failures: 1_000_000 } });
  for (const engine of engines) engine.script = { status: 500, body: "broken" };
  const asked = 150;
  for (let sent = 0; sent < asked; sent += 1) await (await gateway.chat({})).text();
  const seen = engines.reduce((sum, { requests }) => sum + requests.length, 0);
  // A fifth and the reserve of twenty, which grows back slowly.
  expect(seen).toBeLessThan(asked * 1.2 + 20 + 20);
});

test("a model that takes too long to begin is spared while another one is quicker", async () => {
  await start({ p95LimitMs: 30 });
  const [first] = engines;
  if (first) first.script = { text: "slow", headerDelayMs: 60 };
  for (let sent = 0; sent < 8; sent += 1)
    expect((await gateway.chat({})).headers.get("x-flock-model")).toBe("scripted");
  const spared = await gateway.chat({});
  expect(spared.headers.get("x-flock-model")).toBe("other");
  expect(spared.headers.get("x-flock-route")).toBe("exact; scripted is slow; only replica");
});

test("auto goes to a model that has what the request needs, and a source's name to the command that adds it", async () => {
  const blind = able("chat");
  await start({ replicas: [{ abilities: blind }, { model: "other", engineModel: "other" }] });
  const [first] = engines;
  if (first) first.script = { text: "from the first" };
  const plain = await gateway.chat({ model: "auto" });
  expect(plain.headers.get("x-flock-route")).toBe("auto: the default model; only replica");
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  const armed = await gateway.chat({ model: "auto", tools });
  expect(armed.status).toBe(200);
  expect(armed.headers.get("x-flock-model")).toBe("other");
  expect(armed.headers.get("x-flock-route")).toBe("auto: scripted lacks tools; only replica");
  const absent = await gateway.messages({ model: "hf:owner/some-model" });
  expect(absent.status).toBe(404);
  expect(JSON.stringify(await absent.json())).toContain("flock model add hf:owner/some-model");
});

test("a model whose queue is full is answered for by the next of its chain", async () => {
  await start({ limits: { queueLength: 0 }, replica: { slots: 1 } });
  const [first] = engines;
  if (first) first.script = { text: "on and on", tokenDelayMs: 60_000 };
  const abort = new AbortController();
  const busy = gateway.chat({ stream: true }, { signal: abort.signal }).then((response) => response.text());
  busy.catch(() => undefined);
  await poll(5000, () => gateway.router.inFlight === 1);
  const answer = await gateway.chat({});
  expect(answer.headers.get("x-flock-route")).toBe("exact; fallback from scripted: queue_full; only replica");
  abort.abort();
});

test("a prompt that one replica cannot hold goes to one of the same model that can", async () => {
  await start({ fallbacks: {}, replicas: [{ contextTokens: 1000 }, { contextTokens: 9000 }] });
  const [small, large] = engines;
  const error = {
    code: 400,
    message: "too long",
    type: "exceed_context_size_error",
    n_prompt_tokens: 5000,
    n_ctx: 1000,
  };
  if (small) small.script = { status: 400, body: JSON.stringify({ error }) };
  if (large) large.script = { text: "it fits here", answersAs: "scripted" };
  // The guess takes either: equally idle, the first is asked.
  const answer = await gateway.messages({});
  expect(answer.status).toBe(200);
  expect(small?.requests.length).toBe(1);
  expect(large?.requests.length).toBe(1);
  if (large)
    large.script = { status: 400, body: JSON.stringify({ error: { ...error, n_prompt_tokens: 50_000, n_ctx: 9000 } }) };
  const tooLong = await gateway.messages({ messages: [{ role: "user", content: "word ".repeat(3000) }] });
  expect(JSON.stringify(await tooLong.json())).toContain("prompt is too long: 50000 tokens > 9000 maximum");
});
