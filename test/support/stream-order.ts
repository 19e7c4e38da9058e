import { type Frame, readFrames } from "./stream-frames.ts";

type Json = Record<string, unknown>;

/**
 * What clients need of a stream and no parser tells: one block open at a time, every block closed, usage where it is
 * read, the right frame last. Gives every breach in words; [] is a good stream.
 */
export function orderProblems(
  surface: "chat" | "messages" | "responses",
  text: string,
  { usageAsked = false }: { readonly usageAsked?: boolean } = {},
): string[] {
  const frames = readFrames(text);
  if (surface === "messages") return messagesProblems(frames);
  if (surface === "responses") return responsesProblems(frames);
  return chatProblems(frames, usageAsked);
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}

const DELTAS_OF: Readonly<Record<string, readonly string[]>> = {
  text: ["text_delta"],
  thinking: ["thinking_delta", "signature_delta"],
  tool_use: ["input_json_delta"],
};

function messagesProblems(frames: readonly Frame[]): string[] {
  const problems: string[] = [];
  let open: string | null = null;
  let next = 0;
  let ended = false;
  for (const [at, { event, data }] of frames.entries()) {
    if (data === "[DONE]") {
      problems.push("Anthropic's streams have no [DONE]");
      continue;
    }
    const type = String(data.type);
    if (event !== type) problems.push(`event ${event} holds ${type}`);
    if ((at === 0) !== (type === "message_start")) problems.push(`${type} at place ${at}`);
    if (ended && type !== "message_stop") problems.push(`${type} after message_delta`);
    switch (type) {
      case "message_start": {
        const { usage, content } = data.message as Json;
        const { input_tokens, output_tokens } = (usage ?? {}) as Json;
        if (!isCount(input_tokens) || !isCount(output_tokens)) problems.push("message_start without usage");
        if (JSON.stringify(content) !== "[]") problems.push("message_start with content");
        break;
      }
      case "content_block_start": {
        const block = data.content_block as Json;
        if (open !== null) problems.push(`block ${next} starts inside another`);
        if (data.index !== next) problems.push(`block ${String(data.index)} is not ${next}`);
        open = String(block.type);
        if (!(open in DELTAS_OF)) problems.push(`unknown block ${open}`);
        if (open === "tool_use" && JSON.stringify(block.input) !== "{}") problems.push("tool_use starts with an input");
        break;
      }
      case "content_block_delta": {
        const delta = String((data.delta as Json).type);
        if (open === null || data.index !== next) problems.push(`${delta} outside of a block`);
        else if (!DELTAS_OF[open]?.includes(delta)) problems.push(`${delta} in a block of ${open}`);
        break;
      }
      case "content_block_stop":
        if (open === null || data.index !== next) problems.push("a block stops that is not open");
        open = null;
        next += 1;
        break;
      case "message_delta": {
        const { input_tokens, output_tokens } = (data.usage ?? {}) as Json;
        if (open !== null) problems.push("message_delta with an open block");
        if (!isCount(input_tokens) || !isCount(output_tokens)) problems.push("message_delta without usage");
        if (typeof (data.delta as Json).stop_reason !== "string") problems.push("message_delta without stop_reason");
        ended = true;
        break;
      }
      case "ping":
        break;
      case "message_stop":
        if (!ended) problems.push("message_stop without message_delta");
        if (at !== frames.length - 1) problems.push("message_stop is not last");
        break;
      default:
        problems.push(`unknown event ${type}`);
    }
  }
  if (frames.at(-1)?.event !== "message_stop") problems.push("no message_stop");
  return problems;
}

function chatProblems(frames: readonly Frame[], usageAsked: boolean): string[] {
  const problems: string[] = [];
  const chunks = frames.map(({ data }) => data).filter((data) => data !== "[DONE]");
  if (frames.at(-1)?.data !== "[DONE]" || chunks.length !== frames.length - 1) problems.push("[DONE] is not last");
  if (new Set(chunks.map(({ id, model }) => `${String(id)} ${String(model)}`)).size !== 1) {
    problems.push("more than one id or model");
  }
  let finished = false;
  let usageChunks = 0;
  const calls = new Set<number>();
  for (const [at, chunk] of chunks.entries()) {
    const choices = chunk.choices as { delta: Json; finish_reason: unknown; index: unknown }[];
    if (chunk.object !== "chat.completion.chunk" || !isCount(chunk.created)) problems.push(`chunk ${at} is no chunk`);
    const [choice] = choices;
    if (choice === undefined) {
      usageChunks += 1;
      if (at !== chunks.length - 1) problems.push("the usage chunk is not last");
      if (!isCount((chunk.usage as Json | undefined)?.prompt_tokens)) problems.push("a chunk without choices or usage");
      continue;
    }
    if (at === 0 && choice.delta.role !== "assistant") problems.push("the first delta has no role");
    if (finished) problems.push("a choice after the finish reason");
    if (choice.finish_reason !== null && choice.finish_reason !== undefined) {
      finished = true;
      if (Object.keys(choice.delta).length > 0) problems.push("content in the chunk of the finish reason");
    }
    for (const call of (choice.delta.tool_calls ?? []) as Json[]) {
      if (!isCount(call.index)) problems.push("a tool call without index");
      if (calls.has(call.index as number)) continue;
      calls.add(call.index as number);
      const { name } = (call.function ?? {}) as Json;
      if (!call.id || call.type !== "function" || !name) problems.push("a tool call begins without id, type or name");
    }
  }
  if (!finished) problems.push("no finish reason");
  if (usageChunks !== (usageAsked ? 1 : 0)) problems.push(`${usageChunks} usage chunks`);
  return problems;
}

function responsesProblems(frames: readonly Frame[]): string[] {
  const problems: string[] = [];
  const added = new Map<number, string>();
  const done: unknown[] = [];
  const text = new Map<string, string>();
  for (const [at, { event, data }] of frames.entries()) {
    if (data === "[DONE]") {
      problems.push("[DONE] in a Responses stream");
      continue;
    }
    const type = String(data.type);
    if (event !== type) problems.push(`event ${event} holds ${type}`);
    if (data.sequence_number !== at) problems.push(`${type} has number ${String(data.sequence_number)}, not ${at}`);
    const index = data.output_index as number;
    const part = JSON.stringify([index, data.content_index, data.summary_index]);
    if (type === "response.output_item.added") {
      if (index !== added.size) problems.push(`item ${index} is not ${added.size}`);
      added.set(index, String((data.item as Json).id));
    } else if (type === "response.output_item.done") {
      if (added.get(index) !== (data.item as Json).id) problems.push(`item ${index} ends with another id`);
      done[index] = data.item;
    } else if (index !== undefined && !added.has(index)) {
      problems.push(`${type} before its item`);
    } else if (index !== undefined && done[index] !== undefined) {
      problems.push(`${type} after its item`);
    }
    if (type.endsWith(".delta")) text.set(part, (text.get(part) ?? "") + String(data.delta));
    if (/_text\.done$|arguments\.done$/.test(type)) {
      const whole = data.text ?? data.arguments;
      if (whole !== (text.get(part) ?? "")) problems.push(`${type} is not what its deltas were`);
    }
  }
  const [first, second] = frames;
  if (first?.event !== "response.created" || second?.event !== "response.in_progress") problems.push("no beginning");
  const last = frames.at(-1);
  if (!/^response\.(completed|incomplete)$/.test(last?.event ?? "")) return [...problems, `ends with ${last?.event}`];
  const { output, usage } = (last === undefined || last.data === "[DONE]" ? {} : last.data.response) as Json;
  if (done.length !== added.size || done.includes(undefined)) problems.push("an item without output_item.done");
  if (!Bun.deepEquals(output, done)) problems.push("the response's output is not what its items were");
  const { input_tokens, output_tokens, total_tokens } = (usage ?? {}) as Json;
  if (![input_tokens, output_tokens, total_tokens].every(isCount)) problems.push("no usage");
  return problems;
}
