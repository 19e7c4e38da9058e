import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import { firstIssue, WITHOUT_EFFECT } from "./chat-body.ts";
import type { Sampling } from "./chat-call.ts";
import { type EngineError, invalidRequest, notSupported } from "./engine-error.ts";
import { parseLimit, parseSampling, parseStops, samplingFields, stops, tokenLimit } from "./sampling-fields.ts";

const MAX_LOGPROBS = 20;

const known = {
  ...samplingFields,
  model: z.string().nullish(),
  prompt: z.union([z.string(), z.array(z.int().min(0)).min(1)]),
  suffix: z.string().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: tokenLimit,
  stop: stops,
  logprobs: z.int().min(0).max(MAX_LOGPROBS).nullish(),
  grammar: z.string().nullish(),
};
const body = z.looseObject(known);

/** What asks for nothing where it has this value; anything else the gateway does, or nobody. */
const ASKS_FOR_NOTHING: Readonly<Record<string, unknown>> = { n: 1, best_of: 1, echo: false };

export interface CompletionCall {
  readonly model: string | null;
  readonly prompt: string | readonly number[];
  /** Null: the text goes on. Else the gap before it is filled. */
  readonly suffix: string | null;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly maxTokens: number | null;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** So many alternatives with each token's log probability; null: none. */
  readonly logprobs: number | null;
  readonly grammar: string | null;
  readonly ignored: readonly string[];
}

export function parseCompletionBody(input: unknown): Result<CompletionCall, EngineError> {
  const parsed = body.safeParse(input);
  if (!parsed.success) return err(firstIssue(parsed.error));
  const call = parsed.data;
  for (const [field, nothing] of Object.entries(ASKS_FOR_NOTHING)) {
    const value: unknown = call[field];
    if (value !== undefined && value !== null && value !== nothing) return err(notSupported(field, `${field} is`));
  }
  if (typeof call.prompt !== "string" && call.suffix) {
    return err(invalidRequest("'prompt': with a 'suffix' it must be text", "prompt"));
  }
  const unknown = Object.keys(call).filter(
    (field) => !Object.hasOwn(known, field) && !Object.hasOwn(ASKS_FOR_NOTHING, field) && !WITHOUT_EFFECT.has(field),
  );
  return ok({
    model: call.model ?? null,
    prompt: call.prompt,
    suffix: call.suffix || null,
    stream: call.stream ?? false,
    includeUsage: call.stream_options?.include_usage ?? false,
    maxTokens: parseLimit(call.max_tokens),
    stop: parseStops(call.stop),
    sampling: parseSampling(call),
    logprobs: call.logprobs ?? null,
    grammar: call.grammar || null,
    ignored: unknown.filter((field) => call[field] !== null),
  });
}
