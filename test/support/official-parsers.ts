import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

/** What a client made of an answer. */
export interface Understood {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly { readonly name: string; readonly namespace?: string; readonly arguments: string }[];
  readonly stop: string | null;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

type Surface = "chat" | "messages" | "responses";

/** Gives an answer to the official package as if it had asked for it, streamed or not. */
export function understand(surface: Surface, answer: Response, streamed: boolean): Promise<Understood> {
  const options = { apiKey: "none", maxRetries: 0, fetch: () => Promise.resolve(answer) };
  if (surface === "messages") return fromMessages(new Anthropic({ ...options, baseURL: "http://none" }), streamed);
  const openai = new OpenAI({ ...options, baseURL: "http://none/v1" });
  return surface === "chat" ? fromChat(openai, streamed) : fromResponses(openai, streamed);
}

async function fromMessages(client: Anthropic, streamed: boolean): Promise<Understood> {
  const ask = { model: "m", max_tokens: 1, messages: [{ role: "user" as const, content: "hi" }] };
  const message = streamed ? await client.messages.stream(ask).finalMessage() : await client.messages.create(ask);
  let [text, thinking] = ["", ""];
  const calls: { name: string; arguments: string }[] = [];
  for (const block of message.content) {
    if (block.type === "text") text += block.text;
    if (block.type === "thinking") thinking += block.thinking;
    if (block.type === "tool_use") calls.push({ name: block.name, arguments: JSON.stringify(block.input) });
  }
  const { usage } = message;
  return {
    text,
    thinking,
    calls,
    stop: message.stop_reason,
    model: message.model,
    inputTokens: usage.input_tokens + (usage.cache_read_input_tokens ?? 0),
    outputTokens: usage.output_tokens,
  };
}

async function fromChat(client: OpenAI, streamed: boolean): Promise<Understood> {
  const ask = { model: "m", messages: [{ role: "user" as const, content: "hi" }] };
  const completion = streamed
    ? await client.chat.completions.stream(ask).finalChatCompletion()
    : await client.chat.completions.create(ask);
  const [choice] = completion.choices;
  const message: { content?: string | null; reasoning_content?: unknown; tool_calls?: unknown[] } =
    choice?.message ?? {};
  const calls = (message.tool_calls ?? []) as { function: { name: string; arguments: string } }[];
  return {
    text: message.content ?? "",
    thinking: typeof message.reasoning_content === "string" ? message.reasoning_content : "",
    calls: calls.map((call) => ({ name: call.function.name, arguments: call.function.arguments })),
    stop: choice?.finish_reason ?? null,
    model: completion.model,
    inputTokens: completion.usage?.prompt_tokens ?? 0,
    outputTokens: completion.usage?.completion_tokens ?? 0,
  };
}

async function fromResponses(client: OpenAI, streamed: boolean): Promise<Understood> {
  const ask = { model: "m", input: "hi" };
  const response = streamed ? await client.responses.stream(ask).finalResponse() : await client.responses.create(ask);
  let thinking = "";
  const calls: { name: string; namespace?: string; arguments: string }[] = [];
  for (const item of response.output) {
    if (item.type === "reasoning") {
      thinking += (item.content ?? item.summary).map(({ text }) => text).join("");
    } else if (item.type === "function_call" || item.type === "custom_tool_call") {
      const { namespace } = item as { namespace?: string };
      const said = item.type === "function_call" ? item.arguments : item.input;
      calls.push({ name: item.name, arguments: said, ...(namespace === undefined ? {} : { namespace }) });
    }
  }
  return {
    text: response.output_text,
    thinking,
    calls,
    stop: response.status ?? null,
    model: response.model,
    inputTokens: response.usage?.input_tokens ?? 0,
    outputTokens: response.usage?.output_tokens ?? 0,
  };
}
