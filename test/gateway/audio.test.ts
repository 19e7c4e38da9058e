import { afterAll, beforeAll, expect, test } from "bun:test";
import OpenAI, { toFile } from "openai";
import type { ModelAbilities } from "../../src/core/replica.ts";
import { llamaCppWire } from "../../src/engine/llama-cpp/wire.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

const ABILITIES: ModelAbilities = {
  chat: true,
  embeddings: false,
  rerank: false,
  tools: false,
  images: false,
  audio: true,
  thinking: false,
  speech: true,
};

let engine: ScriptedEngine;
let gateway: TestGateway;
let deaf: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  const wire = { ...llamaCppWire, speechPath: "/v1/audio/speech" };
  gateway = startGateway({
    engines: [engine],
    wire,
    replica: { abilities: ABILITIES },
    limits: { maxBodyBytes: 50_000 },
  });
  deaf = startGateway({ engines: [engine] });
});
afterAll(async () => {
  await Promise.all([gateway.stop(), deaf.stop()]);
  await engine.stop();
});

const sound = new Uint8Array(2000).map((_, at) => at % 256);
const as = ({ url }: TestGateway): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
const form = (fields: Record<string, string | Blob>): FormData => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
};
const send = (body: FormData | string, headers: Record<string, string> = {}, to = gateway): Promise<Response> =>
  fetch(`${to.url}/v1/audio/transcriptions`, { method: "POST", headers: { "x-api-key": "any", ...headers }, body });

test("the openai package's file reaches the engine under the engine's name, and its text comes back", async () => {
  const file = await toFile(sound, "a.wav");
  const answer = await as(gateway).audio.transcriptions.create({
    model: "my-alias",
    file,
    language: "en",
    timestamp_granularities: ["word", "segment"],
  });
  expect(answer.text).toBe("hello there");
  expect(engine.requests.at(-1)).toMatchObject({
    path: "/v1/audio/transcriptions",
    body: { model: "scripted", file: sound.length, language: "en", "timestamp_granularities[]": "segment" },
  });
  expect(gateway.records.at(-1)).toMatchObject({
    endpoint: "/v1/audio/transcriptions",
    promptTokens: 14,
    completionTokens: 4,
    outcome: "ok",
  });
  const text = await as(gateway).audio.transcriptions.create({ model: "scripted", file, response_format: "text" });
  expect(text as unknown).toBe("hello there");
});

test("a text becomes sound", async () => {
  const answer = await as(gateway).audio.speech.create({ model: "my-alias", input: "hi", voice: "alloy" });
  expect([answer.headers.get("content-type"), await answer.text()]).toEqual(["audio/mpeg", "ID3 sound"]);
  expect(engine.requests.at(-1)?.body).toEqual({ model: "scripted", input: "hi", voice: "alloy" });
  const wrong = await fetch(`${gateway.url}/v1/audio/speech`, {
    method: "POST",
    body: JSON.stringify({ model: "scripted", input: "", voice: "v" }),
  });
  expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { param: "input" } }]);
});

test("where no model can, the answer is 501 and says how to get one; else it names those that can", async () => {
  const file = new Blob([sound]);
  const none = await send(form({ model: "whisper-1", file }), {}, deaf);
  expect([none.status, await none.json()]).toMatchObject([
    501,
    { error: { code: "unsupported", message: expect.stringContaining("flock model add") } },
  ]);
  const speechless = await fetch(`${deaf.url}/v1/audio/speech`, {
    method: "POST",
    body: JSON.stringify({ model: "tts-1", input: "hi", voice: "v" }),
  });
  expect(speechless.status).toBe(501);
  const other = await send(form({ model: "whisper-1", file }));
  expect([other.status, await other.json()]).toMatchObject([404, { error: { code: "model_not_found" } }]);
});

test("forms that are wrong are refused in OpenAI's shape", async () => {
  const file = new Blob([sound]);
  const cases: [FormData | string, Record<string, string>, number, string | null][] = [
    [JSON.stringify({ model: "scripted" }), { "content-type": "application/json" }, 400, null],
    ["", {}, 400, null],
    ["nonsense", { "content-type": "multipart/form-data; boundary=x" }, 400, null],
    ["nonsense", { "content-type": "multipart/form-data" }, 400, null],
    [form({ file }), {}, 400, "model"],
    [form({ model: "scripted" }), {}, 400, "file"],
    [form({ model: "scripted", file: "a text" }), {}, 400, "file"],
    [form({ model: "scripted", file: new Blob([]) }), {}, 400, "file"],
    [form({ model: "scripted", file, response_format: "csv" }), {}, 400, "response_format"],
    [form({ model: "scripted", file, temperature: "hot" }), {}, 400, "temperature"],
    [form({ model: "scripted", file: new Blob([new Uint8Array(60_000)]) }), {}, 413, null],
  ];
  const sent = engine.requests.length;
  for (const [body, headers, status, param] of cases) {
    const answer = await send(body, headers);
    const said = (await answer.json()) as { error: Record<string, unknown> };
    expect([status, said.error["param"], typeof said.error["message"]]).toEqual([answer.status, param, "string"]);
  }
  expect(engine.requests.length).toBe(sent);
});

test("an engine's refusal is its own", async () => {
  engine.script = {
    status: 400,
    body: JSON.stringify({ error: { message: "no such sound", type: "invalid_request_error" } }),
  };
  const answer = await send(form({ model: "scripted", file: new Blob([sound]) }));
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: { message: "no such sound" } }]);
});
