import { afterAll, beforeAll, expect, test } from "bun:test";
import { collectAnswer } from "../../core/chat-answer.ts";
import type { ChatRequest } from "../../core/chat-request.ts";
import type { Replica } from "../../core/replica.ts";
import { llamaCppWire } from "../llama-cpp/wire.ts";
import { embeddedManager } from "./manage.ts";
import { startTestChild, type TestChild } from "./test-child.ts";
import { embeddedWire } from "./wire.ts";

const SENTENCE = "Only these few words.";
const REQUEST: ChatRequest = {
  model: "asked",
  messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  stream: false,
  includeUsage: false,
  stop: [],
  sampling: {},
  tools: [],
  output: { kind: "text" },
};

let child: TestChild;
let replica: Replica;
beforeAll(async () => {
  child = await startTestChild({ kind: "says", text: SENTENCE }, { windowTokens: 256 });
  const info = await embeddedManager.probe({ url: child.url, secret: child.secret }, new AbortController().signal);
  const served = info.ok ? info.value.models[0] : undefined;
  if (!served) throw new Error("the engine serves no model");
  replica = { id: "local/embedded/tiny", node: "local", engine: "embedded", engineId: "embedded", ...served };
}, 30_000);
afterAll(() => child.stop());

async function send(request: ChatRequest): Promise<Response> {
  const call = embeddedWire.plan(request, replica, "t");
  if (!call.ok) throw new Error(call.error.kind);
  return await child.post(call.value.path, call.value.body);
}

test("a planned call is answered, and the answer is read", async () => {
  const answer = collectAnswer(embeddedWire.readAnswer(await (await send(REQUEST)).text()));
  expect(answer).toMatchObject({
    ok: true,
    value: { text: SENTENCE, reason: "stop", usage: { promptTokens: 22, completionTokens: 5 } },
  });
});

test("a streamed answer is decoded, usage included", async () => {
  const response = await send({ ...REQUEST, stream: true, includeUsage: true });
  const decoder = embeddedWire.decode();
  const events = [...decoder.push(await response.bytes()), ...decoder.end()];
  expect(events).toContainEqual({ type: "start", id: expect.any(String), model: "asked" } as never);
  expect(collectAnswer(events)).toMatchObject({
    ok: true,
    value: { text: SENTENCE, reason: "stop", usage: { promptTokens: 22, completionTokens: 5 } },
  });
});

test("a prompt that does not fit is read as that failure", async () => {
  const text = "a".repeat(1000);
  const response = await send({ ...REQUEST, messages: [{ role: "user", parts: [{ type: "text", text }] }] });
  expect(embeddedWire.readError(response.status, await response.text(), replica)).toEqual({
    kind: "context_exceeded",
    model: "tiny",
    promptTokens: 1020,
    contextTokens: 256,
  });
});

const lacking: [string, Partial<ChatRequest>][] = [
  ["audio", { messages: [{ role: "user", parts: [{ type: "audio", format: "wav", data: "" }] }] }],
  [
    "images",
    { messages: [{ role: "user", parts: [{ type: "image", source: { kind: "url", url: "https://x/y.png" } }] }] },
  ],
];
for (const [capability, part] of lacking) {
  test(`${capability}: refused by name before anything is sent`, () => {
    expect(embeddedWire.plan({ ...REQUEST, ...part }, replica, "t")).toMatchObject({
      ok: false,
      error: { kind: "unsupported", capability },
    });
  });
}

test("tools, structured output and log probabilities are sent and answered", async () => {
  const answer = await send({
    ...REQUEST,
    tools: [{ name: "f", parameters: { type: "object" } }],
    toolChoice: { kind: "none" },
    logprobs: { top: 1 },
    thinking: { enabled: false },
  });
  expect(answer.status).toBe(200);
  const held = await send({ ...REQUEST, output: { kind: "json_schema", name: "x", schema: { enum: [7] } } });
  expect(collectAnswer(embeddedWire.readAnswer(await held.text()))).toMatchObject({ ok: true, value: { text: "7" } });
});

test("llama-server is asked under the name it knows the model by", () => {
  const call = llamaCppWire.plan(REQUEST, { ...replica, engineModel: "/models/tiny.gguf" }, "t");
  expect(call.ok && JSON.parse(call.value.body)).toMatchObject({ model: "/models/tiny.gguf" });
  expect(llamaCppWire.echoesModel).toBe(false);
});
