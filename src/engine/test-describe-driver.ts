import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Script } from "../../test/support/script.ts";
import type { Trouble } from "../../test/support/stand-in/flavor.ts";
import { type StandIn, startStandIn } from "../../test/support/stand-in/start-stand-in.ts";
import { collectAnswer } from "../core/chat-answer.ts";
import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import {
  ask,
  callsOf,
  dataOf,
  type DriverUnderTest,
  endingsOf,
  never,
  post,
  REQUEST,
  type Rig,
  sentFormat,
  textOf,
} from "./test-driver-rig.ts";

/** What a driver cannot pass, and why. A gap that passes fails the suite: the list tells the truth. */
export type Gaps = Partial<Record<Case, string>>;

const TOOL = { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } };
const CALL = { name: "weather", arguments: '{"city":"Bern","days":2}' };
const PIXEL = { type: "image", source: { kind: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" } } as const;
/** Every case is run for every driver: as a promise to keep, or as a gap that must still be one. */
const CASES = {
  "is found by what it answers, with its model, context and slots": async ({ driver, engine, replica }) => {
    const info = await driver.manager().probe({ url: engine.url, secret: "" }, never);
    expect(info).toMatchObject({ ok: true });
    expect(replica).toMatchObject({ model: "some-model", contextTokens: 1024 });
    expect(replica.slots).toBeGreaterThanOrEqual(1);
  },
  "a server that answers 200 to everything is not taken for it": async ({ driver }) => {
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ status: "ok", data: [] }),
    });
    const info = await driver.manager().probe({ url: `http://127.0.0.1:${server.port}`, secret: "" }, never);
    expect(info).toMatchObject({ ok: false, error: { kind: "engine_failed" } });
  },
  "one that nobody has started is unreachable, with the command that starts it": async ({ driver }) => {
    const gone = await startStandIn(driver.flavor);
    await gone.stop();
    const info = await driver.manager().probe({ url: gone.url, secret: "" }, never);
    const start = driver.manager().startCommand;
    expect(info).toMatchObject({ ok: false, error: { kind: "engine_unreachable", endpoint: gone.url, start } });
  },
  "one that is silent is given up when the time is over": async ({ driver }) => {
    const silent = Promise.withResolvers<Response>();
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => silent.promise });
    const at = { url: `http://127.0.0.1:${server.port}`, secret: "" };
    const info = await driver.manager().probe(at, AbortSignal.timeout(50));
    expect(info).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
    silent.resolve(new Response());
  },
  "a stream ends once, with its text and what it took": async ({ ask }) => {
    const events = await ask({}, { text: "one two three", usage: { prompt: 7, completion: 3 } });
    expect(textOf(events)).toBe("one two three");
    expect(endingsOf(events)).toEqual(["done"]);
    expect(events.at(-1)).toMatchObject({ type: "done", reason: "stop" });
    expect(events.find(({ type }) => type === "usage")).toMatchObject({
      usage: { promptTokens: 7, completionTokens: 3 },
    });
  },
  "an answer in one piece says the same": async ({ ask }) => {
    const events = await ask({ stream: false }, { text: "one two three", usage: { prompt: 7, completion: 3 } });
    expect(collectAnswer(events)).toMatchObject({
      ok: true,
      value: { text: "one two three", reason: "stop", usage: { promptTokens: 7, completionTokens: 3 } },
    });
  },
  "an answer at its limit says so": async ({ ask }) => {
    expect((await ask({}, { text: "one two", finish: "length" })).at(-1)).toMatchObject({ reason: "length" });
  },
  "slow pieces come to the same": async ({ ask }) => {
    expect(textOf(await ask({}, { text: "one two three", tokenDelayMs: 5 }))).toBe("one two three");
  },
  "killed in mid-stream, it has failed": (rig) => failsOnce(rig, "cut"),
  "killed inside a frame, it has failed": (rig) => failsOnce(rig, "half-frame"),
  "an end without an end mark is a failure": (rig) => failsOnce(rig, "no-done"),
  "something that is not JSON is a failure": (rig) => failsOnce(rig, "not-json"),
  "an error in mid-stream is a failure": (rig) => failsOnce(rig, "error"),
  "a caller that aborts a silent engine hangs up on it": async ({ ask, engine }) => {
    const abort = new AbortController();
    const asked = ask({}, { text: "one two three", fault: "silent", faultAfter: 1 }, abort.signal);
    while (engine.seen.length === 0) await Bun.sleep(1);
    abort.abort();
    expect(endingsOf(await asked)).toEqual(["failed"]);
    while (engine.hungUp === 0) await Bun.sleep(1);
  },
  "it is asked for its own name of the model, never the client's": async ({ ask, engine, replica }) => {
    await ask();
    const asked = engine.seen[0]?.body.model;
    expect([replica.engineModel, "asked-name"]).toContain(String(asked));
    // Only an engine with one model, which echoes the name, is told the client's.
    expect(asked === "asked-name").toBe(replica.engine === "embedded");
  },
  "a model that it no longer has is its failure, and another replica's chance": async (rig) => {
    expect(await troubled(rig, "wrong-model")).toMatchObject({ kind: "engine_failed" });
  },
  "a prompt that does not fit is told with its numbers": async (rig) => {
    const failure = await troubled(rig, "overflow");
    expect(failure).toMatchObject({ kind: "context_exceeded", model: "some-model", contextTokens: 1024 });
    expect(failure.kind === "context_exceeded" && failure.promptTokens).toBeGreaterThan(1024);
  },
  "a full queue, or a model that loads, is for another replica": async (rig) => {
    expect(["queue_full", "engine_unreachable"]).toContain((await troubled(rig, "busy")).kind);
  },
  "a crash is its failure": async (rig) => {
    expect(await troubled(rig, "crash")).toMatchObject({ kind: "engine_failed" });
  },
  "a bad request is the client's": async (rig) => {
    expect(await troubled(rig, "bad-request")).toMatchObject({ kind: "invalid_request" });
  },
  "an answer that is no engine's is a failure": async ({ driver, replica }) => {
    expect(driver.wire.readError(502, "<html>bad gateway</html>", replica)).toMatchObject({ kind: "engine_failed" });
    expect(driver.wire.readError(500, "", replica)).toMatchObject({ kind: "engine_failed" });
  },
  "a tool call is streamed, with its arguments as text": async ({ ask }) => {
    const events = await ask({ tools: [TOOL] }, { toolCalls: [CALL] });
    expect(callsOf(events)).toEqual([CALL]);
    expect(events.at(-1)).toMatchObject({ type: "done", reason: "tool_calls" });
  },
  "a tool call in one piece is the same": async ({ ask }) => {
    const events = await ask({ tools: [TOOL], stream: false }, { toolCalls: [CALL, { ...CALL, arguments: "{}" }] });
    expect(callsOf(events)).toEqual([CALL, { ...CALL, arguments: "{}" }]);
  },
  "calls and results of earlier turns are sent as the engine wants them": async ({ ask, engine, replica }) => {
    const call = { type: "tool_call", id: "call_1", ...CALL } as const;
    const text = { type: "text", text: "rain" } as const;
    const result = { type: "tool_result", callId: "call_1", content: [text], isError: false } as const;
    const [asked] = REQUEST.messages;
    if (!asked) throw new Error("no message");
    const messages = [asked, { role: "assistant", parts: [call] }, { role: "tool", parts: [result] }] as const;
    await ask({ tools: [TOOL], messages });
    const sent = engine.seen[0]?.body.messages as {
      role: string;
      tool_calls?: { function: { arguments: unknown } }[];
    }[];
    expect(sent.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
    const given = sent[1]?.tool_calls?.[0]?.function.arguments;
    expect(given).toEqual(replica.engine === "ollama" ? JSON.parse(CALL.arguments) : CALL.arguments);
  },
  "a forced call is obeyed": async ({ ask, engine }) => {
    const script = engine.script;
    const forced = { tools: [TOOL], toolChoice: { kind: "tool", name: "weather" } } as const;
    // Where it is a schema to the engine, the arguments come as text.
    const bySchema = (await ask(forced, { text: CALL.arguments }).catch(() => [])).length > 0 && sentFormat(engine);
    const events = bySchema ? await ask(forced, { text: CALL.arguments }) : await ask(forced, { toolCalls: [CALL] });
    expect(callsOf(events)).toEqual([CALL]);
    engine.script = script;
  },
  "structured output is asked for": async ({ ask, engine }) => {
    await ask({ output: { kind: "json_schema", name: "x", schema: TOOL.parameters } });
    expect(JSON.stringify(engine.seen[0]?.body)).toContain('"city"');
  },
  "thinking is kept apart from the answer": async ({ ask }) => {
    const events = await ask({ thinking: { enabled: true } }, { thinking: "well now", text: "four" });
    expect(events.filter(({ type }) => type === "thinking").map((event) => "text" in event && event.text)).toEqual([
      "well",
      " now",
    ]);
    expect(textOf(events)).toBe("four");
  },
  "images go to a model that sees": async ({ ask, engine, replica }) => {
    expect(replica.abilities.images).toBe(true);
    await ask({ messages: [{ role: "user", parts: [{ type: "text", text: "what?" }, PIXEL] }] });
    expect(JSON.stringify(engine.seen[0]?.body.messages)).toContain("iVBORw0KGgo=");
  },
  "an image for a model that does not see is refused by name, before anything is sent": async (rig) => {
    const blind = { ...rig.replica, abilities: { ...rig.replica.abilities, images: false } };
    const messages = [{ role: "user", parts: [PIXEL] }] as const;
    const call = rig.driver.wire.plan({ ...REQUEST, messages }, blind, "t");
    expect(call).toMatchObject({ ok: false, error: { kind: "unsupported", capability: "images" } });
  },
  "texts become vectors": async ({ driver, engine, replica }) => {
    const { embeddings, embeddingsPath } = driver.wire;
    const request = { model: replica.engineModel, inputs: ["a", "b"] };
    const call = embeddings?.plan(request, replica);
    const planned = call?.ok ? call.value : { path: embeddingsPath ?? "", body: JSON.stringify({ input: ["a", "b"] }) };
    const answer = await post(engine, planned.path, planned.body, never);
    expect(answer.status).toBe(200);
    const read = embeddings?.read(answer.text, request);
    const vectors = read ? read.ok && read.value.vectors : dataOf(answer.text).map(({ embedding }) => embedding);
    expect<unknown>(vectors).toEqual([
      [0.6, 0.8],
      [0.6, 0.8],
    ]);
  },
} satisfies Record<string, (rig: Rig) => Promise<void>>;

export type Case = keyof typeof CASES;

export function describeDriver(driver: DriverUnderTest & { readonly gaps: Gaps }): void {
  describe(`the driver of ${driver.wire.kind}`, () => {
    let engine: StandIn;
    let replica: Replica;
    beforeAll(async () => {
      engine = await startStandIn(driver.flavor);
      const info = await driver.manager().probe({ url: engine.url, secret: "" }, never);
      const served = info.ok ? info.value.models.find(({ model }) => model === "some-model") : undefined;
      if (!served) throw new Error(`the stand-in of ${driver.wire.kind} was not found: ${JSON.stringify(info)}`);
      const engineId = driver.wire.kind;
      replica = { id: `local/${engineId}/some-model`, node: "local", engine: driver.wire.kind, engineId, ...served };
    });
    beforeEach(async () => {
      const { url } = engine;
      await engine.stop();
      engine = await startStandIn(driver.flavor, Number(new URL(url).port));
    });
    afterAll(() => engine.stop());

    for (const [name, run] of Object.entries(CASES) as [Case, (rig: Rig) => Promise<void>][]) {
      const gap = driver.gaps[name];
      const rig = (): Rig => ({ driver, engine, replica, ask: (...args) => ask({ driver, engine, replica }, ...args) });
      if (gap === undefined) {
        test(name, () => run(rig()));
        continue;
      }
      test(`gap: ${name} (${gap})`, async () => {
        const passed = await run(rig()).then(
          () => true,
          () => false,
        );
        if (passed) throw new Error(`"${name}" is no gap any more: take it off the list`);
      });
    }
  });
}

async function failsOnce({ ask: asked }: Rig, fault: NonNullable<Script["fault"]>): Promise<void> {
  const events = await asked({}, { text: "one two three", fault, faultAfter: 2 });
  expect(textOf(events)).toBe("one two");
  expect(endingsOf(events)).toEqual(["failed"]);
  expect(events.at(-1)).toMatchObject({ failure: { kind: "engine_failed" } });
}

async function troubled({ driver, engine, ask: asked }: Rig, trouble: Trouble): Promise<Failure> {
  if (!driver.flavor.troubles[trouble]) throw new Error(`this engine never says ${trouble}`);
  engine.trouble = trouble;
  const [event] = await asked();
  if (event?.type !== "failed") throw new Error("it did not fail");
  return event.failure;
}
