import type { JsonObject } from "../../core/chat-request.ts";
import type { CompletionRequest } from "../../core/completion-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { openaiCompletionsRequest, type OpenaiCompletionsRequest } from "../../wire/openai-completions.ts";
import { parseBody } from "../../wire/parse-body.ts";
import { fromSampling, toSampling } from "../openai-sampling.ts";
import { optional } from "../optional.ts";

export function parseRequest(body: unknown): Result<CompletionRequest, Failure> {
  const parsed = parseBody(openaiCompletionsRequest, body);
  if (!parsed.ok) return parsed;
  const wire = parsed.value;
  const refused = refusal(wire);
  if (refused) return err(refused);
  const prompt = parsePrompt(wire.prompt);
  if (!prompt.ok) return prompt;
  return ok({
    model: wire.model,
    prompt: prompt.value,
    // An empty suffix asks for nothing behind the gap; engines take its presence for fill-in-the-middle.
    ...(wire.suffix ? { suffix: wire.suffix } : {}),
    stream: wire.stream ?? false,
    includeUsage: wire.stream === true && wire.stream_options?.include_usage === true,
    ...optional("maxOutputTokens", wire.max_tokens),
    stop: typeof wire.stop === "string" ? [wire.stop] : (wire.stop ?? []),
    sampling: fromSampling(wire),
    ...(typeof wire.logprobs === "number" ? { logprobs: { top: wire.logprobs } } : {}),
    ...optional("user", wire.user),
    ...optional("cacheKey", wire.prompt_cache_key),
  });
}

export function toRequestBody(request: CompletionRequest): JsonObject {
  return {
    model: request.model,
    prompt: request.prompt,
    ...optional("suffix", request.suffix),
    stream: request.stream,
    // Always asked for: accounting needs it whether the client wants to see it or not.
    ...(request.stream ? { stream_options: { include_usage: true } } : {}),
    ...optional("max_tokens", request.maxOutputTokens),
    ...(request.stop.length > 0 ? { stop: [...request.stop] } : {}),
    ...toSampling(request.sampling),
    ...optional("logprobs", request.logprobs?.top),
    ...optional("user", request.user),
    ...optional("prompt_cache_key", request.cacheKey),
  };
}

/** What would change the answer and cannot be said in the core vocabulary. */
function refusal(wire: OpenaiCompletionsRequest): Failure | null {
  if ((wire.n ?? 1) > 1) return unsupported("n", "n above 1: ask several times instead");
  if ((wire.best_of ?? 1) > 1) return unsupported("best_of", "best_of above 1");
  if (wire.echo) return unsupported("echo", "echo: put the prompt before the answer yourself");
  if (Object.keys(wire.logit_bias ?? {}).length > 0) return unsupported("logit_bias", "logit_bias");
  return null;
}

function unsupported(capability: string, what: string): Failure {
  return { kind: "unsupported", capability, endpoint: false, message: `This model does not support ${what}.` };
}

function parsePrompt(prompt: OpenaiCompletionsRequest["prompt"]): Result<string, Failure> {
  if (typeof prompt === "string") return ok(prompt);
  const [first] = prompt;
  if (first === undefined) {
    return err({ kind: "invalid_request", field: "prompt", message: "prompt: at least one prompt is needed" });
  }
  if (typeof first !== "string") return err(unsupported("prompt tokens", "prompts of token numbers: send text"));
  if (prompt.length > 1) return err(unsupported("several prompts", "several prompts at once: ask one by one"));
  return ok(first);
}
