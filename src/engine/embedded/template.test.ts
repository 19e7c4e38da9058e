import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getLlama, LlamaLogLevel, type Llama, type LlamaModel } from "node-llama-cpp";
import { writeTinyModel, type TinyModelOptions } from "../../../scripts/gguf/tiny-model.ts";
import type { ChatTurn } from "./chat-body.ts";
import { chatTemplate } from "./template.ts";

const directory = mkdtempSync(join(tmpdir(), "flock-template-"));
let llama: Llama;
beforeAll(async () => {
  llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    maxThreads: 1,
    logLevel: LlamaLogLevel.error,
  });
});
afterAll(async () => {
  await llama.dispose();
  rmSync(directory, { recursive: true, force: true });
});

async function load(template: NonNullable<TinyModelOptions["template"]>): Promise<LlamaModel> {
  const modelPath = join(directory, `${template}.gguf`);
  await writeTinyModel(modelPath, { kind: "says", text: "yes" }, { template });
  return await llama.loadModel({ modelPath });
}

/** The prompt as text, control tokens spelled out. */
async function render(
  template: NonNullable<TinyModelOptions["template"]>,
  turns: readonly ChatTurn[],
): Promise<string> {
  await using model = await load(template);
  const rendered = chatTemplate(model, () => undefined).render(turns);
  if (!rendered.ok) throw new Error(rendered.error.message);
  return model.detokenize(rendered.value, true);
}

const call = { id: "call_1", name: "get_time", arguments: '{"zone":"UTC"}' };

test("turns go through the model's own template, and the model's turn is opened", async () => {
  const turns: ChatTurn[] = [
    { role: "system", text: "be brief" },
    { role: "user", text: "a" },
    { role: "assistant", text: "b", toolCalls: [] },
    { role: "user", text: "c" },
  ];
  expect(await render("chatml", turns)).toBe(
    "<s><|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n" +
      "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n",
  );
});

test("two messages of one role in a row stay two messages", async () => {
  const turns: ChatTurn[] = [
    { role: "user", text: "a" },
    { role: "user", text: "b" },
  ];
  expect(await render("chatml", turns)).toBe(
    "<s><|im_start|>user\na<|im_end|>\n<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\n",
  );
});

test("a last message of the assistant is gone on with", async () => {
  const turns: ChatTurn[] = [
    { role: "user", text: "a" },
    { role: "assistant", text: "The answer is", toolCalls: [] },
  ];
  expect(await render("chatml", turns)).toEndWith("<|im_start|>assistant\nThe answer is");
});

test("a tool's call and result of an earlier turn stand in the prompt in the model's own form", async () => {
  const turns: ChatTurn[] = [
    { role: "user", text: "what time is it" },
    { role: "assistant", text: "", toolCalls: [call] },
    { role: "tool", callId: "call_1", text: "12:00" },
  ];
  expect(await render("tools", turns)).toBe(
    "<s><|im_start|>user\nwhat time is it<|im_end|>\n<|im_start|>assistant\n<tool_call>\n" +
      '{"name": "get_time", "arguments": {"zone": "UTC"}}\n</tool_call><|im_end|>\n' +
      "<|im_start|>user\n<tool_response>\n12:00\n</tool_response><|im_end|>\n<|im_start|>assistant\n",
  );
});

test("a template that knows no tools still shows what was called and what came of it", async () => {
  const text = await render("chatml", [
    { role: "user", text: "time?" },
    { role: "assistant", text: "I look.", toolCalls: [call] },
    { role: "tool", callId: "call_1", text: "12:00" },
    { role: "user", text: "thanks" },
  ]);
  for (const part of ["I look.", "get_time", "UTC", "12:00", "thanks"]) expect(text).toContain(part);
});

test("a file without a template gets ChatML, and says so", async () => {
  await using model = await load("none");
  const template = chatTemplate(model, () => undefined);
  expect(template.source).toBe("chatml");
  const rendered = template.render([{ role: "user", text: "a" }]);
  expect(rendered.ok && model.detokenize(rendered.value, true)).toBe(
    "<s><|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n",
  );
});

test("the thinking template is rendered without an empty thought", async () => {
  expect(await render("thinking", [{ role: "user", text: "a" }])).toBe(
    "<s><|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n",
  );
});
