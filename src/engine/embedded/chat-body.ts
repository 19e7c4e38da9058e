import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import type { ChatCall, ChatTurn } from "./chat-call.ts";
import { outputFields, parseOutput } from "./chat-output.ts";
import { parseThinking, thinkingFields } from "./chat-thinking.ts";
import { parseTools, toolFields } from "./chat-tools.ts";
import { type EngineError, invalidRequest } from "./engine-error.ts";
import { isRefusable, refusedFeature } from "./refused-feature.ts";
import { parseLimit, parseSampling, parseStops, samplingFields, stops, tokenLimit } from "./sampling-fields.ts";

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
  stop: stops,
  ...samplingFields,
};
const body = z.looseObject(known);

/** Fields without bearing on the answer: whose request it is, where it may run, what the asker wants kept. */
export const WITHOUT_EFFECT = new Set([
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
  return ok({
    model: call.model ?? null,
    turns,
    ...tools.value,
    ...output.value,
    thinking: parseThinking(call),
    stream: call.stream ?? false,
    includeUsage: call.stream_options?.include_usage ?? false,
    maxTokens: parseLimit(call.max_completion_tokens ?? call.max_tokens),
    stop: parseStops(call.stop),
    sampling: parseSampling(call),
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
