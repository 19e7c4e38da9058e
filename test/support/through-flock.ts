import { expect } from "bun:test";
import { CALLS } from "../../scripts/safetensors/tiny-model.ts";
import type { Flock } from "./start-flock.ts";

const MESSAGES = [{ role: "user", content: "hi" }];

/** One small answer of a real engine on every client API, streamed and whole; `text` is what it must say. */
export async function answersEverywhere(flock: Flock, model: string, text: string): Promise<void> {
  const post = async (path: string, body: object): Promise<Response> =>
    await flock.fetch(path, { method: "POST", body: JSON.stringify({ model, messages: MESSAGES, ...body }) });
  const said = (answer: string): void => expect(answer.trim()).toBe(text);

  const whole = await post("/v1/chat/completions", { max_tokens: 40, temperature: 0 });
  expect([whole.status, whole.headers.get("x-flock-model")]).toEqual([200, model]);
  const chat = (await whole.json()) as OpenaiAnswer;
  expect(chat.model).toBe(model);
  expect(chat.usage.prompt_tokens).toBeGreaterThan(0);
  expect(chat.usage.completion_tokens).toBeGreaterThan(0);
  said(chat.choices[0]?.message?.content ?? "");

  const streamed = await post("/v1/chat/completions", { max_tokens: 40, temperature: 0, stream: true });
  const chunks = framesOf(await streamed.text());
  expect(chunks.at(-1)).toBe("[DONE]");
  const parsed = chunks.slice(0, -1).map((chunk) => JSON.parse(chunk) as OpenaiAnswer);
  expect(parsed.some(({ choices }) => choices[0]?.finish_reason)).toBe(true);
  said(parsed.map(({ choices }) => choices[0]?.delta?.content ?? "").join(""));

  const anthropic = framesOf(
    await (await post("/v1/messages", { max_tokens: 40, temperature: 0, stream: true })).text(),
  );
  const events = anthropic.map((frame) => JSON.parse(frame) as { type: string; delta?: { text?: string } });
  expect(events.at(0)?.type).toBe("message_start");
  expect(events.at(-1)?.type).toBe("message_stop");
  said(events.map(({ delta }) => delta?.text ?? "").join(""));

  const lines = (await (await post("/api/chat", { options: { num_predict: 40, temperature: 0 } })).text()).trim();
  const native = lines.split("\n").map((line) => JSON.parse(line) as { done: boolean; message: { content: string } });
  expect(native.at(-1)?.done).toBe(true);
  said(native.map(({ message }) => message.content).join(""));
}

const TOOL_PARAMETERS = { type: "object", properties: { city: { type: "string" } } };
const OPENAI_TOOL = { type: "function", function: { name: CALLS.name, parameters: TOOL_PARAMETERS } };

/** The tiny model of `scripts/safetensors` calls its tool where there is one, and thinks where it may. */
export async function callsAndThinks(flock: Flock, model: string, thought: string): Promise<void> {
  const post = async (path: string, body: object): Promise<Response> =>
    await flock.fetch(path, { method: "POST", body: JSON.stringify({ model, messages: MESSAGES, ...body }) });
  const openai = (await (await post("/v1/chat/completions", { tools: [OPENAI_TOOL] })).json()) as OpenaiAnswer;
  const call = openai.choices[0]?.message?.tool_calls?.[0]?.function;
  expect(openai.choices[0]?.finish_reason).toBe("tool_calls");
  expect({ name: call?.name, arguments: JSON.parse(call?.arguments ?? "") }).toEqual(CALLS);

  const tools = [{ name: CALLS.name, input_schema: TOOL_PARAMETERS }];
  const anthropic = await (await post("/v1/messages", { max_tokens: 100, tools })).json();
  const use = { type: "tool_use", name: CALLS.name, input: CALLS.arguments };
  expect(anthropic).toMatchObject({ stop_reason: "tool_use", content: [use] });
  const streamed = framesOf(await (await post("/v1/messages", { max_tokens: 100, tools, stream: true })).text());
  const events = streamed.map((frame) => JSON.parse(frame) as { delta?: { partial_json?: string; thinking?: string } });
  expect(JSON.parse(events.map(({ delta }) => delta?.partial_json ?? "").join(""))).toEqual(CALLS.arguments);

  const thinking = { type: "enabled", budget_tokens: 1024 };
  const thinks = await (await post("/v1/messages", { max_tokens: 2000, thinking })).json();
  expect(thinks).toMatchObject({ content: [{ type: "thinking", thinking: thought }, { type: "text" }] });
  const effort = (await (await post("/v1/chat/completions", { reasoning_effort: "high" })).json()) as OpenaiAnswer;
  const { reasoning, reasoning_content: content } = effort.choices[0]?.message ?? {};
  expect((reasoning ?? content ?? "").trim()).toBe(thought);
}

interface OpenaiAnswer {
  readonly model: string;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly choices: readonly {
    readonly message?: {
      readonly content: string | null;
      readonly reasoning?: string | null;
      readonly reasoning_content?: string | null;
      readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: string } }[];
    };
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
}

function framesOf(sse: string): string[] {
  return sse
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trim());
}
