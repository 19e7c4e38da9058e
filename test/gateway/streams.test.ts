import { afterEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { UNLIMITED } from "../../src/core/principal.ts";
import type { UsageRecord } from "../../src/core/usage-record.ts";
import type { Script } from "../support/script.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { poll } from "../support/start-flock.ts";
import { type GatewayOptions, startGateway, type TestGateway } from "../support/start-gateway.ts";
import { readFrames } from "../support/stream-frames.ts";

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

async function start(
  scripts: Script | Script[],
  options: Partial<GatewayOptions> = {},
): Promise<{ gateway: TestGateway; engines: ScriptedEngine[] }> {
  const engines: ScriptedEngine[] = [];
  for (const script of [scripts].flat()) {
    const engine = await startScriptedEngine();
    engine.script = script;
    engines.push(engine);
  }
  const gateway = startGateway({ engines, ...options });
  running.push(...engines, gateway);
  return { gateway, engines };
}

function content(text: string): string {
  const said = readFrames(text).map(({ data }) => {
    const choices = (data === "[DONE]" ? [] : (data.choices ?? [])) as { delta?: { content?: string } }[];
    return choices[0]?.delta?.content ?? "";
  });
  return said.join("");
}

test("the answer's model is the name that was asked for, whatever the engine calls itself", async () => {
  const { gateway, engines } = await start({ text: "one two" });
  for (const stream of [true, false]) {
    const text = await (await gateway.chat({ model: "my-alias", stream })).text();
    expect(text).toContain('"model":"my-alias"');
    expect(text).not.toContain('"scripted"');
    expect(engines[0]?.requests.at(-1)?.body.model).toBe("scripted");
  }
});

test("the engine is always asked for usage; the client gets the usage chunk only if it asked", async () => {
  const { gateway, engines } = await start({ text: "one two", usage: { prompt: 11, completion: 2, cached: 4 } });
  const plain = readFrames(await (await gateway.chat({ stream: true })).text());
  expect(plain.at(-1)?.data).toBe("[DONE]");
  expect(plain.every(({ data }) => data === "[DONE]" || (data.choices as unknown[]).length === 1)).toBe(true);
  const asked = readFrames(
    await (await gateway.chat({ stream: true, stream_options: { include_usage: true } })).text(),
  );
  expect(asked.at(-2)?.data).toMatchObject({ choices: [], usage: { prompt_tokens: 11 } });
  for (const { body } of engines[0]?.requests ?? []) expect(body.stream_options).toEqual({ include_usage: true });
  expect(gateway.records).toMatchObject([
    { promptTokens: 11, completionTokens: 2, cachedTokens: 4, outcome: "ok" },
    { promptTokens: 11, completionTokens: 2, cachedTokens: 4, outcome: "ok" },
  ]);
});

test("the client's body reaches the engine byte for byte but for what policy changes", async () => {
  const { gateway, engines } = await start({});
  await (await gateway.chat({ temperature: 0.25, unknown_field: { deep: [1, 2] }, stream: false })).text();
  expect(engines[0]?.requests[0]?.body).toEqual({
    model: "scripted",
    messages: [{ role: "user", content: "hi" }],
    temperature: 0.25,
    unknown_field: { deep: [1, 2] },
    stream: false,
  });
});

test("the record is safe before the last frame goes out", async () => {
  let written = Promise.withResolvers<void>();
  const { gateway } = await start(
    { text: "one two three four", tokenDelayMs: 10 },
    { onAppend: () => written.promise },
  );
  for (const call of [gateway.chat, gateway.messages]) {
    written = Promise.withResolvers<void>();
    const answer = await call({ stream: true });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    let text = "";
    const reading = (async () => {
      for (let read = await reader.read(); !read.done; read = await reader.read())
        text += new TextDecoder().decode(read.value);
    })();
    await poll(20_000, () => text.includes("three"));
    expect(text).not.toMatch(/\[DONE\]|message_stop/);
    written.resolve();
    await reading;
    expect(text).toMatch(/\[DONE\]|message_stop/);
  }
});

test("an engine that fails before its first content is replaced without the client noticing", async () => {
  for (const fault of ["cut", "half-frame", "no-done", "not-json", "error"] as const) {
    const { gateway, engines } = await start([
      { text: "never seen", fault, faultAfter: 0 },
      { text: "from the second" },
    ]);
    expect(content(await (await gateway.chat({ stream: true })).text())).toBe("from the second");
    expect(engines.map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(gateway.records.at(-1)).toMatchObject({ outcome: "ok", attempts: 2 });
  }
});

test("after the first content a failure is the stream's last frame, in the words of the surface", async () => {
  for (const fault of ["cut", "half-frame", "no-done", "not-json", "error"] as const) {
    const { gateway, engines } = await start([{ text: "a b c d", fault, faultAfter: 2 }, { text: "never" }]);
    const openai = await (await gateway.chat({ stream: true })).text();
    expect([fault, content(openai)]).toEqual([fault, "a b"]);
    expect(readFrames(openai).at(-1)?.data).toMatchObject({ error: { type: "server_error", code: "engine_failed" } });
    expect(openai).not.toContain("[DONE]");
    const engine = engines[0];
    if (engine) engine.script = { text: "a b c d", fault, faultAfter: 2 };
    const anthropic = readFrames(await (await gateway.messages({ stream: true })).text());
    expect(anthropic[0]?.event).toBe("message_start");
    expect(anthropic.at(-1)).toMatchObject({ event: "error", data: { type: "error", error: { type: "api_error" } } });
    expect(gateway.records.at(-1)).toMatchObject({ outcome: "error", errorKind: "engine_failed", completionTokens: 2 });
    expect(engines[1]?.requests.length).toBe(0);
  }
});

test("an engine that falls silent in mid-answer is cut off after the limit", async () => {
  const { gateway, engines } = await start(
    { text: "a b c", fault: "silent", faultAfter: 2 },
    { limits: { stallMs: 100 } },
  );
  const text = await (await gateway.chat({ stream: true })).text();
  expect(readFrames(text).at(-1)?.data).toMatchObject({ error: { code: "engine_timeout" } });
  await engines[0]?.requests[0]?.aborted;
});

test("a slow engine keeps the stream open with comments, and an early failure still fits in", async () => {
  const limits = { quietMs: 50, keepAliveMs: 50 };
  const { gateway, engines } = await start({ text: "late", firstTokenDelayMs: 900 }, { limits });
  const answer = await gateway.chat({ stream: true });
  expect(answer.status).toBe(200);
  const text = await answer.text();
  expect(text).toStartWith(": ");
  expect(content(text)).toBe("late");
  const engine = engines[0];
  if (engine) engine.script = { headerDelayMs: 900, status: 500, body: "{}" };
  const failed = readFrames(await (await gateway.messages({ stream: true })).text());
  expect(failed).toMatchObject([{ event: "error", data: { type: "error", error: { type: "api_error" } } }]);
});

test("a client that leaves stops the engine's work, at any moment of an answer", async () => {
  const { gateway, engines } = await start({ text: "a b c d e f g", tokenDelayMs: 30 });
  const [engine] = engines;
  if (!engine) throw new Error("no engine");
  const leave: [string, Script, Record<string, unknown>, RegExp | null][] = [
    ["in mid-stream", { text: "a b c d e f g", tokenDelayMs: 30 }, { stream: true }, / b/],
    ["before the first token", { text: "late", firstTokenDelayMs: 60_000 }, { stream: true }, null],
    ["waiting for a whole answer", { text: "late", headerDelayMs: 60_000 }, { stream: false }, null],
  ];
  for (const call of [gateway.chat, gateway.messages]) {
    for (const [, script, body, until] of leave) {
      engine.script = script;
      const asked = engine.requests.length;
      const abort = new AbortController();
      const answer = call(body, { signal: abort.signal });
      answer.catch(() => undefined);
      await poll(20_000, () => engine.requests.length > asked);
      if (until) {
        const reader = ((await answer).body as ReadableStream<Uint8Array>).getReader();
        let text = "";
        while (!until.test(text)) text += new TextDecoder().decode((await reader.read()).value);
      }
      abort.abort();
      await engine.requests.at(-1)?.aborted;
      await poll(20_000, () => gateway.records.at(-1)?.outcome === "cancelled" && gateway.router.inFlight === 0);
    }
  }
  expect(gateway.records).toHaveLength(6);
});

test("an answer that outgrows the day's quota ends with length, streamed or not", async () => {
  const any = { limits: { ...UNLIMITED, dailyTokens: 60 } };
  const text = Array.from({ length: 200 }, (_, at) => `w${at}`).join(" ");
  for (const stream of [true, false]) {
    const { gateway, engines } = await start({ text, tokenDelayMs: 1 }, { keys: { any } });
    const answer = await (await gateway.chat({ stream })).text();
    if (stream) {
      const all = readFrames(answer);
      expect(all.at(-2)?.data).toMatchObject({ choices: [{ finish_reason: "length" }] });
      expect(all.at(-1)?.data).toBe("[DONE]");
      expect(new Set(all.flatMap(({ data }) => (data === "[DONE]" ? [] : [data.id]))).size).toBe(1);
    } else {
      expect(JSON.parse(answer)).toMatchObject({ choices: [{ finish_reason: "length" }] });
    }
    await engines[0]?.requests[0]?.aborted;
    const record = gateway.records[0] as UsageRecord;
    expect(record.promptTokens + record.completionTokens).toBeLessThanOrEqual(60);
    expect(record.completionTokens).toBeGreaterThan(10);
    const next = await gateway.chat({ stream });
    expect(next.status).toBe(429);
  }
});

test("a prompt that only might exceed the quota is counted by the engine, not guessed", async () => {
  const any = { limits: { ...UNLIMITED, dailyTokens: 200 } };
  const long = { messages: [{ role: "user", content: "x".repeat(1000) }], max_tokens: 5 };
  const { gateway, engines } = await start({ text: "ok", usage: { prompt: 150, completion: 1 } }, { keys: { any } });
  expect((await gateway.chat(long)).status).toBe(200);
  expect(gateway.records[0]).toMatchObject({ promptTokens: 150, completionTokens: 1 });
  const refused = await gateway.chat(long);
  expect(refused.status).toBe(429);
  expect(engines[0]?.requests).toHaveLength(1);
});

test("what an agent sends and a local model stumbles over is mended, and said", async () => {
  const { gateway, engines } = await start({ text: "ok" });
  const answer = await gateway.messages({
    max_tokens: 32_000,
    system: [
      { type: "text", text: "x-anthropic-billing-header: cc_version=2.1; cch=440" },
      { type: "text", text: "Be brief." },
    ],
    messages: [
      { role: "user", content: "hi" },
      { role: "system", content: "It is Monday." },
    ],
  });
  expect(answer.status).toBe(200);
  const adjusted = "billing header dropped; system messages folded; max_tokens fitted to the context";
  expect(answer.headers.get("x-flock-adjusted")).toBe(adjusted);
  const sent = engines[0]?.requests[0]?.body as { messages: { role: string }[]; max_tokens?: number };
  expect(sent.messages.map(({ role }) => role)).toEqual(["system", "user"]);
  expect(JSON.stringify(sent)).not.toContain("billing");
  expect(sent.max_tokens).toBeUndefined();
});

test("tool calls and thinking cross from an OpenAI engine to an Anthropic client", async () => {
  const { gateway } = await start({
    thinking: "I weigh it.",
    toolCalls: [{ name: "get_time", arguments: '{"zone":"UTC"}' }],
  });
  const tools = [{ name: "get_time", input_schema: { type: "object", properties: { zone: { type: "string" } } } }];
  const whole = (await (await gateway.messages({ tools })).json()) as { content: unknown[]; stop_reason: string };
  expect(whole.stop_reason).toBe("tool_use");
  expect(whole.content).toMatchObject([
    { type: "thinking", thinking: "I weigh it." },
    { type: "tool_use", name: "get_time", input: { zone: "UTC" } },
  ]);
  const streamed = readFrames(await (await gateway.messages({ tools, stream: true })).text()).map(({ event }) => event);
  expect(streamed.filter((event) => event === "content_block_start")).toHaveLength(2);
  expect(streamed.filter((event) => event === "content_block_stop")).toHaveLength(2);
  expect(streamed.slice(-2)).toEqual(["message_delta", "message_stop"]);
});

test("a reader that stalls holds the engine back instead of filling the memory", async () => {
  const { gateway, engines } = await start({});
  const [engine] = engines;
  if (engine === undefined) throw new Error("no engine");
  engine.script = ({ stream }) => ({ text: stream === true ? "x ".repeat(300_000).trimEnd() : "hi" });
  // A bare socket: fetch would read ahead on its own.
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1").pause();
  const body = JSON.stringify({ model: "scripted", stream: true, messages: [{ role: "user", content: "hi" }] });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: any\r\ncontent-type: application/json`;
  socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  let before = 0;
  // Everything on the way is full when the engine's count stands still while other answers come through.
  await poll(10_000, async () => {
    before = engine.sentBytes;
    for (let turn = 0; turn < 20; turn++) await (await gateway.chat({})).text();
    return before > 0 && engine.sentBytes === before;
  });
  expect(before).toBeLessThan(35_000_000);
  let bytes = 0;
  socket.on("data", (piece) => {
    bytes += piece.length;
  });
  socket.resume();
  const record = await poll(20_000, () => gateway.records.find(({ completionTokens }) => completionTokens === 300_000));
  await poll(20_000, () => bytes > 40_000_000);
  expect(record.outcome).toBe("ok");
  socket.destroy();
});
