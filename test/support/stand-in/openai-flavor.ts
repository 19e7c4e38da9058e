import type { Script } from "../script.ts";
import { finishOf } from "../script.ts";
import { type Flavor, type Piece, piecesOf, usageOf, VECTOR } from "./flavor.ts";

/** What differs between engines that speak OpenAI's dialect. */
export interface OpenaiOptions extends Pick<Flavor, "kind" | "about" | "troubles" | "server"> {
  /** Where a delta's thinking stands. */
  readonly thinkingField: "reasoning_content" | "reasoning";
  /** The first chunk's delta. */
  readonly opening: Record<string, unknown>;
  /** Sent before the first chunk. */
  readonly preamble?: string;
  /** A call comes in one chunk, arguments and all. */
  readonly wholeCalls: boolean;
  /** The finish reason comes with the last content instead of in a chunk of its own. */
  readonly ids: string;
  readonly error: (text: string) => unknown;
  readonly embeddings: boolean;
}

export function openaiFlavor(options: OpenaiOptions): Flavor {
  const { kind, about, troubles, server } = options;
  const head = { id: `${options.ids}1`, object: "chat.completion.chunk", created: 1795438413 };
  const frame = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
  const chunk = (model: string, delta: unknown, reason: string | null = null): string =>
    frame({ ...head, model, choices: [{ index: 0, delta, finish_reason: reason }] });
  return {
    kind,
    chatPath: "/v1/chat/completions",
    streamType: "text/event-stream",
    server,
    about,
    troubles,
    open: (model) => `${options.preamble ?? ""}${chunk(model, options.opening)}`,
    frame(model, piece) {
      if (piece.kind === "text") return chunk(model, { content: piece.text });
      if (piece.kind === "thinking") return chunk(model, { [options.thinkingField]: piece.text });
      return callFrames(piece, options.wholeCalls)
        .map((delta) => chunk(model, { tool_calls: [delta] }))
        .join("");
    },
    close(model, script) {
      const end = chunk(model, {}, finishOf(script));
      return `${end}${frame({ ...head, model, choices: [], usage: toUsage(script) })}data: [DONE]\n\n`;
    },
    whole: (model, script) => ({
      ...head,
      object: "chat.completion",
      model,
      choices: [{ index: 0, message: toMessage(script, options.thinkingField), finish_reason: finishOf(script) }],
      usage: toUsage(script),
    }),
    failure: (text) => frame(options.error(text)),
    embeddings: options.embeddings ? { path: "/v1/embeddings", answer: toEmbeddings } : null,
  };
}

function callFrames(call: Extract<Piece, { kind: "call" }>, whole: boolean): Record<string, unknown>[] {
  const { index, name } = call;
  const head = { index, id: `call_${index}`, type: "function" };
  if (whole) return [{ ...head, function: { name, arguments: call.arguments } }];
  const parts = call.arguments.match(/[\s\S]{1,5}/g) ?? [];
  const rest = parts.map((part) => ({ index, function: { arguments: part } }));
  return [{ ...head, function: { name, arguments: "" } }, ...rest];
}

function toMessage(script: Script, thinkingField: string): Record<string, unknown> {
  const calls = piecesOf(script).filter((piece) => piece.kind === "call");
  return {
    role: "assistant",
    content: script.text ?? null,
    ...(script.thinking === undefined ? {} : { [thinkingField]: script.thinking }),
    ...(calls.length > 0 ? { tool_calls: calls.flatMap((call) => callFrames(call, true)) } : {}),
  };
}

function toUsage(script: Script): unknown {
  const { prompt, completion, cached } = usageOf(script);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

function toEmbeddings(model: string, inputs: readonly string[]): unknown {
  const data = inputs.map((_, index) => ({ object: "embedding", index, embedding: VECTOR }));
  const tokens = 3 * inputs.length;
  return { object: "list", model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } };
}
