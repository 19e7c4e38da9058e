import type { JsonObject, JsonValue } from "../../core/chat-request.ts";
import type { CompletionAsk, CompletionRequest } from "../../core/completion-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { openaiCompletionsRequest, type OpenaiCompletionsRequest } from "../../wire/openai-completions.ts";
import { parseBody } from "../../wire/parse-body.ts";
import { fromSampling, toSampling } from "../openai-sampling.ts";
import { optional } from "../optional.ts";

/** Each choice is a call to an engine; more than this at once is a mistake or an attack. */
const MOST_CHOICES = 128;

type Prompt = CompletionRequest["prompt"];

/** Fields that are read here; every other one goes to the engine as it came. */
const READ = new Set<string>([
  "model",
  "prompt",
  "suffix",
  "stream",
  "stream_options",
  "max_tokens",
  "stop",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "logprobs",
  "user",
  "prompt_cache_key",
  "n",
  "best_of",
  "echo",
]);

export function parseRequest(body: unknown): Result<CompletionAsk, Failure> {
  const parsed = parseBody(openaiCompletionsRequest(), body);
  if (!parsed.ok) return parsed;
  const wire = parsed.value;
  const prompts = parsePrompts(wire.prompt);
  const answers = wire.n ?? 1;
  const refused = refusal(wire, prompts, answers);
  if (refused) return err(refused);
  const stream = wire.stream ?? false;
  const includeUsage = stream && wire.stream_options?.include_usage === true;
  return ok({
    model: wire.model,
    stream,
    includeUsage,
    // OpenAI's order: all answers to the first prompt, then those to the second.
    choices: prompts.flatMap((prompt) =>
      Array.from({ length: answers }, (_, at) => toRequest(wire, prompt, at, { stream, includeUsage })),
    ),
    echo: wire.echo ?? false,
    extra: Object.fromEntries(
      Object.entries(wire as JsonObject).filter(([name, value]) => !READ.has(name) && value !== null),
    ),
    adjusted: [],
  });
}

function toRequest(
  wire: OpenaiCompletionsRequest,
  prompt: Prompt,
  at: number,
  streaming: Pick<CompletionRequest, "stream" | "includeUsage">,
): CompletionRequest {
  const sampling = fromSampling(wire);
  return {
    model: wire.model,
    prompt,
    // An empty suffix asks for nothing behind the gap; engines take its presence for fill-in-the-middle.
    ...(wire.suffix ? { suffix: wire.suffix } : {}),
    ...streaming,
    ...optional("maxOutputTokens", wire.max_tokens),
    stop: typeof wire.stop === "string" ? [wire.stop] : (wire.stop ?? []),
    // With one seed all answers to a prompt would be the same one.
    sampling: at > 0 && sampling.seed !== undefined ? { ...sampling, seed: sampling.seed + at } : sampling,
    ...(typeof wire.logprobs === "number" ? { logprobs: { top: wire.logprobs } } : {}),
    ...optional("user", wire.user),
    ...optional("cacheKey", wire.prompt_cache_key),
  };
}

/** The body for an engine of this dialect. `extra` wins over nothing: its names are those that are not read. */
export function toRequestBody(request: CompletionRequest, extra: JsonObject = {}): JsonObject {
  return {
    ...extra,
    model: request.model,
    prompt: typeof request.prompt === "string" ? request.prompt : [...request.prompt],
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

/** What would change the answer and cannot be done. */
function refusal(wire: OpenaiCompletionsRequest, prompts: readonly Prompt[], answers: number): Failure | null {
  if (answers < 1) return invalid("n", "n: at least 1");
  if (prompts.length * answers > MOST_CHOICES) {
    return invalid("n", `prompts times n: at most ${MOST_CHOICES} choices at once, not ${prompts.length * answers}`);
  }
  const best = wire.best_of ?? answers;
  if (best < answers) return invalid("best_of", `best_of: must be at least n, which is ${answers}`);
  if (best > answers) {
    return unsupported("best_of", "best_of above n: ask for n answers with logprobs, and choose among them");
  }
  if (!wire.echo) return null;
  if (typeof wire.logprobs === "number") return unsupported("echo", "echo together with logprobs");
  return prompts.some((prompt) => typeof prompt !== "string")
    ? unsupported("echo", "echo of prompts of token numbers: put the text before the answer yourself")
    : null;
}

function unsupported(capability: string, what: string): Failure {
  return { kind: "unsupported", capability, endpoint: false, message: `Flock does not support ${what}.` };
}

function invalid(field: string, message: string): Failure {
  return { kind: "invalid_request", field, message };
}

function parsePrompts(prompt: OpenaiCompletionsRequest["prompt"]): readonly Prompt[] {
  if (typeof prompt === "string") return [prompt];
  return isTokens(prompt) ? [prompt] : prompt;
}

function isTokens(list: readonly JsonValue[]): list is number[] {
  return typeof list[0] === "number";
}
