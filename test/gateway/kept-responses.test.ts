import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import OpenAI from "openai";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startFlock, temporaryDirectory } from "../support/start-flock.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

/** What the package throws; its promises are none of the language's own. */
async function refusal(asked: PromiseLike<unknown>): Promise<unknown> {
  try {
    return `was answered with ${JSON.stringify(await asked)}`;
  } catch (error) {
    return error;
  }
}

describe("a kept response", () => {
  let engine: ScriptedEngine;
  let gateway: TestGateway;
  beforeAll(async () => {
    engine = await startScriptedEngine();
    engine.script = { text: "ok", usage: { prompt: 5, completion: 1 } };
    gateway = startGateway({ engines: [engine], keys: { mine: {}, other: {} } });
  });
  afterAll(async () => {
    await gateway.stop();
    await engine.stop();
  });
  const as = (apiKey: string): OpenAI => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 });

  test("is shown again as it was answered, streamed or not", async () => {
    const openai = as("mine");
    const whole = await openai.responses.create({ model: "scripted", input: "hi", metadata: { a: "b" } });
    const stream = openai.responses.stream({ model: "scripted", input: "hi" });
    for (const said of [whole, await stream.finalResponse()]) {
      const again = await openai.responses.retrieve(said.id);
      expect([again.id, again.output_text, again.status]).toEqual([said.id, "ok", "completed"]);
      expect(again.output).toMatchObject([{ type: "message", id: said.output[0]?.id, content: [{ text: "ok" }] }]);
      expect([again.usage, again.metadata]).toEqual([said.usage, said.metadata]);
    }
  });

  test("tells what it was asked, page by page", async () => {
    const openai = as("mine");
    const first = await openai.responses.create({ model: "scripted", input: "one" });
    const second = await openai.responses.create({ model: "scripted", input: "two", previous_response_id: first.id });
    const texts: unknown[] = [];
    const ids = new Set<string>();
    for await (const item of openai.responses.inputItems.list(second.id, { order: "asc", limit: 1 })) {
      if (item.type === "message") texts.push([item.role, item.content[0]]);
      ids.add(item.id ?? "");
    }
    expect(texts).toMatchObject([
      ["user", { text: "one" }],
      ["assistant", { text: "ok" }],
      ["user", { text: "two" }],
    ]);
    expect(ids.size).toBe(3);
    const newest = await openai.responses.inputItems.list(second.id);
    expect(newest.data[0]).toMatchObject({ role: "user", content: [{ text: "two" }] });
    expect(await refusal(openai.responses.inputItems.list(second.id, { limit: 0 }))).toMatchObject({ status: 400 });
  });

  test("can be deleted, and is then unknown; an answer that asked not to be kept always was", async () => {
    const openai = as("mine");
    const { id } = await openai.responses.create({ model: "scripted", input: "hi" });
    await openai.responses.delete(id);
    const shape = { status: 404, error: { type: "invalid_request_error" } };
    expect(await refusal(openai.responses.retrieve(id))).toMatchObject(shape);
    expect(await refusal(openai.responses.delete(id))).toMatchObject(shape);
    expect(await refusal(openai.responses.inputItems.list(id))).toMatchObject(shape);
    const unkept = await openai.responses.create({ model: "scripted", input: "hi", store: false });
    expect(await refusal(openai.responses.retrieve(unkept.id))).toMatchObject(shape);
  });

  test("is unknown to another key", async () => {
    const { id } = await as("mine").responses.create({ model: "scripted", input: "hi" });
    expect(await refusal(as("other").responses.retrieve(id))).toMatchObject({ status: 404 });
    expect(await refusal(as("other").responses.delete(id))).toMatchObject({ status: 404 });
    const continued = as("other").responses.create({ model: "scripted", input: "x", previous_response_id: id });
    expect(await refusal(continued)).toMatchObject({ status: 400, param: "previous_response_id" });
    expect((await fetch(`${gateway.url}/v1/responses/${id}`)).status).toBe(401);
  });

  test("cannot be cancelled or streamed again, and that is said by name", async () => {
    const { id } = await as("mine").responses.create({ model: "scripted", input: "hi" });
    expect(await refusal(as("mine").responses.cancel(id))).toMatchObject({ status: 400, code: "unsupported" });
    expect(await refusal(as("mine").responses.retrieve(id, { stream: true }))).toMatchObject({ status: 400 });
  });
});

test("with responses.store: disk a conversation goes on after the process was killed", async () => {
  const dataDir = temporaryDirectory();
  const env = { FLOCK_RESPONSES_STORE: "disk" };
  const first = await startFlock({ dataDir, env });
  const client = ({ url, adminKey }: { url: string; adminKey: string }): OpenAI =>
    new OpenAI({ baseURL: `${url}/v1`, apiKey: adminKey, maxRetries: 0 });
  const said = await client(first).responses.create({ model: "auto", input: "hi" });
  await first.kill();
  const second = await startFlock({ dataDir, env });
  try {
    expect((await client(second).responses.retrieve(said.id)).output_text).toBe(said.output_text);
    const next = await client(second).responses.create({
      model: "auto",
      input: "go on",
      previous_response_id: said.id,
    });
    expect(next.previous_response_id).toBe(said.id);
    expect(next.usage?.input_tokens ?? 0).toBeGreaterThan(said.usage?.total_tokens ?? 0);
  } finally {
    await second.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}, 30_000);
