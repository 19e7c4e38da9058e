import { afterEach, expect, test } from "bun:test";
import { HEALTH_TIMES } from "../../src/health/health-times.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { poll } from "../support/start-flock.ts";
import { type GatewayOptions, startGateway, type TestGateway } from "../support/start-gateway.ts";

let engine: ScriptedEngine;
let gateway: TestGateway;
/** One slot whose answers run until the engine is told to say something else. */
async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  engine = await startScriptedEngine();
  engine.script = { text: "on and on", tokenDelayMs: 60_000 };
  gateway = startGateway({ engines: [engine], replica: { slots: 1 }, ...options });
}
afterEach(async () => {
  await gateway.stop();
  await engine.stop();
});

/** Takes the only slot and reads what comes; the returned function hangs up. */
async function occupy(): Promise<() => Promise<void>> {
  const abort = new AbortController();
  const { signal } = abort;
  const answer = gateway.chat({ stream: true }, { signal, headers: { authorization: "Bearer first" } });
  const read = answer.then((response) => response.text());
  read.catch(() => undefined);
  await poll(5000, () => engine.requests.length === 1);
  return async () => {
    engine.script = { text: "done" };
    abort.abort();
    await engine.requests[0]?.aborted;
    await read.catch(() => undefined);
  };
}

test("a stream that waits hears its position, is served in turn, and its record says how long it waited", async () => {
  await start({ limits: { quietWaitingMs: 1, keepAliveMs: 60_000 } });
  const release = await occupy();
  const waiting = await gateway.chat({ stream: true });
  const behind = await gateway.messages({ stream: true });
  expect(waiting.headers.get("x-flock-route")).toBe("exact");
  const reader = (waiting.body as ReadableStream<Uint8Array>).getReader();
  const first = new TextDecoder().decode((await reader.read()).value);
  expect(first).toBe(": waiting for a free slot, position 1\n\n");
  const other = (behind.body as ReadableStream<Uint8Array>).getReader();
  const second = new TextDecoder().decode((await other.read()).value);
  expect(second).toBe(": waiting for a free slot, position 2\n\n");
  await release();
  let text = "";
  for (let read = await reader.read(); !read.done; read = await reader.read())
    text += new TextDecoder().decode(read.value);
  expect(text).toContain("[DONE]");
  while (!(await other.read()).done);
  const record = gateway.records.find(({ outcome, protocol }) => outcome === "ok" && protocol === "openai");
  expect(record?.queueMs).toBeGreaterThan(100);
  expect(record?.routeReason).toBe("exact; only replica");
  expect(gateway.router.inFlight).toBe(0);
});

test("who hangs up in the queue is gone at once: the engine never hears of it", async () => {
  await start();
  const release = await occupy();
  for (const stream of [true, false]) {
    const abort = new AbortController();
    const answer = gateway.chat({ stream }, { signal: abort.signal });
    answer.catch(() => undefined);
    await poll(5000, () => gateway.router.waiting("scripted") === 1);
    const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: { "x-api-key": "any" } })).text();
    expect(metrics).toContain('flock_queue_length{model="scripted"} 1\n');
    abort.abort();
    await poll(5000, () => gateway.router.waiting("scripted") === 0);
  }
  await poll(5000, () => gateway.records.length === 2);
  expect(gateway.records.map(({ outcome }) => outcome)).toEqual(["cancelled", "cancelled"]);
  await release();
  await poll(5000, () => gateway.router.inFlight === 0);
  expect(engine.requests).toHaveLength(1);
});

test("a full queue is told in each API's own shape, with a retry-after", async () => {
  await start({ limits: { queueLength: 0 } });
  const release = await occupy();
  const chat = await gateway.chat({});
  expect(chat.status).toBe(429);
  expect(await chat.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
  const messages = await gateway.messages({ stream: true });
  expect(messages.status).toBe(529);
  expect(await messages.json()).toMatchObject({ type: "error", error: { type: "overloaded_error" } });
  const ollama = await fetch(`${gateway.url}/api/chat`, {
    method: "POST",
    headers: { authorization: "Bearer any" },
    body: JSON.stringify({ model: "scripted", messages: [{ role: "user", content: "hi" }] }),
  });
  expect(ollama.status).toBe(503);
  for (const { headers } of [chat, messages, ollama])
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  await release();
});

test("a wait that is too long ends as a failure that says so, also after the stream has begun", async () => {
  await start({ limits: { queueWaitMs: 400, quietWaitingMs: 60_000 } });
  const release = await occupy();
  const whole = await gateway.chat({});
  expect(whole.status).toBe(429);
  expect(JSON.stringify(await whole.json())).toContain("none came free within 1 s");
  await gateway.stop();
  gateway = startGateway({
    engines: [engine],
    replica: { slots: 1 },
    limits: { queueWaitMs: 1000, quietWaitingMs: 1 },
  });
  const again = gateway.chat({ stream: true });
  await poll(5000, () => engine.requests.length === 2);
  const late = await gateway.messages({ stream: true });
  expect(late.status).toBe(200);
  expect(await late.text()).toContain("overloaded_error");
  again.catch(() => undefined);
  await release();
});

test("one key with fifty long requests leaves room for another: four slots, three are its own", async () => {
  // Silence of a minute is what these engines are told to keep: on a machine that is slow it must not count as theirs.
  const health = { ...HEALTH_TIMES, doubtMs: 600_000, noTokenMs: 600_000, blindNoTokenMs: 600_000 };
  await start({ keys: { greedy: {}, modest: {} }, replica: { slots: 4 }, limits: { queueWaitMs: 600_000 }, health });
  engine.script = ({ messages }) =>
    JSON.stringify(messages).includes("long") ? { text: "on and on", tokenDelayMs: 60_000 } : { text: "short" };
  const abort = new AbortController();
  const long = { stream: true, messages: [{ role: "user", content: "long" }] };
  for (let sent = 0; sent < 50; sent += 1) {
    const init = { signal: abort.signal, headers: { authorization: "Bearer greedy" } };
    gateway.chat(long, init).catch(() => undefined);
  }
  await poll(20_000, () => gateway.router.waiting("scripted") === 47);
  for (let sent = 0; sent < 10; sent += 1) {
    const answer = await gateway.chat({}, { headers: { authorization: "Bearer modest" } });
    expect(answer.status).toBe(200);
  }
  const modest = gateway.records.filter(({ keyId }) => keyId === "modest");
  expect(modest).toHaveLength(10);
  // None of them waited for a long one to end: all of those are where they were.
  expect([gateway.router.inFlight, gateway.router.waiting("scripted"), gateway.records.length]).toEqual([3, 47, 10]);
  abort.abort();
  await poll(20_000, () => gateway.router.inFlight === 0 && gateway.router.waiting("scripted") === 0);
}, 60_000);

test("a request for several answers takes one slot after another where there is one", async () => {
  await start();
  engine.script = { text: "done" };
  for (const stream of [false, true]) {
    const answer = await fetch(`${gateway.url}/v1/completions`, {
      method: "POST",
      headers: { authorization: "Bearer any" },
      body: JSON.stringify({ model: "scripted", prompt: ["one", "two", "three"], n: 2, stream }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
  }
  expect(gateway.records.map(({ outcome }) => outcome)).toEqual(["ok", "ok"]);
  expect(gateway.router.inFlight).toBe(0);
});
