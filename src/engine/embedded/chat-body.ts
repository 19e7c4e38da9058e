import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import type { ChatCall, ChatTurn } from "./chat-call.ts";
import { outputFields, parseOutput } from "./chat-output.ts";
import { parseThinking, thinkingFields } from "./chat-thinking.ts";
import { parseTools, toolFields } from "./chat-tools.ts";
import { type EngineError, invalidRequest } from "./engine-error.ts";
import { isRefusable, refusedFeature } from "./refused-feature.ts";

const MAX_STOPS = 64;
/** OpenAI's bounds, and about what changes a choice in any model. */
const MAX_BIAS = 100;

const content = z.union([z.string(), z.null(), z.array(z.looseObject({ type: z.literal("text"), text: z.string() }))]);
const toolCall = z.looseObject({
  id: z.string(),
  function: z.looseObject({
    name: z.string(),
    arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
  }),
});
const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.enum(["system", "developer", "user"]), content: content.optional() }),
  z.looseObject({
    role: z.literal("assistant"),
    content: content.optional(),
    reasoning_content: z.string().nullish(),
    reasoning: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
  }),
  z.looseObject({ role: z.literal("tool"), content: content.optional(), tool_call_id: z.string() }),
]);

/** -1 is llama-server's word for "no limit". */
const tokenLimit = z
  .int()
  .refine((n) => n > 0 || n === -1, "must be at least 1")
  .nullish();
const stopString = z.string().min(1).max(1024);

const known = {
  ...toolFields,
  ...outputFields,
  ...thinkingFields,
  model: z.string().nullish(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: tokenLimit,
  max_completion_tokens: tokenLimit,
  stop: z.union([stopString, z.array(stopString).max(MAX_STOPS)]).nullish(),
  temperature: z.number().min(0).max(10).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string().regex(/^\d+$/), z.number().min(-MAX_BIAS).max(MAX_BIAS)).nullish(),
};
const body = z.looseObject(known);

/** Fields without bearing on the answer: whose request it is, where it may run, what the asker wants kept. */
const WITHOUT_EFFECT = new Set([
  "user",
  "metadata",
  "store",
  "service_tier",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "cache_prompt",
]);

/** Unknown to typed. What this engine cannot do is refused by name before the shape is looked at. */
export function parseChatBody(input: unknown): Result<ChatCall, EngineError> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return err(invalidRequest("the body must be a JSON object"));
  }
  const fields = input as Readonly<Record<string, unknown>>;
  if (fields["messages"] === undefined) return err(invalidRequest("'messages' is required", "messages"));
  const refused = refusedFeature(fields);
  if (refused) return err(refused);
  const parsed = body.safeParse(input);
  if (!parsed.success) return err(firstIssue(parsed.error));
  const call = parsed.data;
  const tools = parseTools(call);
  if (!tools.ok) return tools;
  const output = parseOutput(call);
  if (!output.ok) return output;
  const turns = call.messages.map(toTurn);
  const stray = resultWithoutCall(turns);
  if (stray !== null) return err(invalidRequest(`no tool call has the id '${stray}'`, "messages"));
  const maxTokens = call.max_completion_tokens ?? call.max_tokens ?? -1;
  return ok({
    model: call.model ?? null,
    turns,
    ...tools.value,
    ...output.value,
    thinking: parseThinking(call),
    stream: call.stream ?? false,
    includeUsage: call.stream_options?.include_usage ?? false,
    maxTokens: maxTokens === -1 ? null : maxTokens,
    stop: typeof call.stop === "string" ? [call.stop] : (call.stop ?? []),
    // The defaults are llama-server's.
    sampling: {
      temperature: call.temperature ?? 0.8,
      topP: call.top_p ?? 0.95,
      topK: call.top_k ?? 40,
      minP: call.min_p ?? 0.05,
      seed: toSeed(call.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0),
      presencePenalty: call.presence_penalty ?? 0,
      frequencyPenalty: call.frequency_penalty ?? 0,
      logitBias: new Map(Object.entries(call.logit_bias ?? {}).map(([token, bias]) => [Number(token), bias])),
    },
    ignored: Object.keys(call).filter((field) => isIgnored(field, fields[field])),
  });
}

export function firstIssue(error: z.ZodError): EngineError {
  const issue = error.issues[0];
  const field = issue?.path.join(".") ?? "";
  return invalidRequest(`${field === "" ? "body" : `'${field}'`}: ${issue?.message ?? "invalid"}`, field || undefined);
}

function isIgnored(field: string, value: unknown): boolean {
  if (Object.hasOwn(known, field) || WITHOUT_EFFECT.has(field) || value === null) return false;
  // A refusable field that was let through asks for nothing (`functions: []`, `n: 1`, …).
  return !isRefusable(field);
}

function toTurn(turn: z.infer<typeof message>): ChatTurn {
  const text = toText(turn.content);
  switch (turn.role) {
    case "assistant": {
      const thinking = turn.reasoning_content ?? turn.reasoning ?? "";
      return {
        role: "assistant",
        text,
        ...(thinking === "" ? {} : { thinking }),
        toolCalls: (turn.tool_calls ?? []).map(({ id, function: { name, arguments: given } }) => ({
          id,
          name,
          arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}),
        })),
      };
    }
    case "tool":
      return { role: "tool", callId: turn.tool_call_id, text };
    default:
      return { role: turn.role === "user" ? "user" : "system", text };
  }
}

function resultWithoutCall(turns: readonly ChatTurn[]): string | null {
  const called = new Set<string>();
  for (const turn of turns) {
    if (turn.role === "assistant") for (const { id } of turn.toolCalls) called.add(id);
    if (turn.role === "tool" && !called.has(turn.callId)) return turn.callId;
  }
  return null;
}

function toText(parts: z.infer<typeof content> | undefined): string {
  if (typeof parts === "string") return parts;
  return (parts ?? []).map((part) => part.text).join("");
}

/** Any whole number to 32 bits. 2^32-1 means "random" to llama.cpp, which would break "same seed, same text". */
function toSeed(seed: number): number {
  const folded = ((seed % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return folded === 2 ** 32 - 1 ? 0 : folded;
}
