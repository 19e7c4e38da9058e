import type { ChatRequest, JsonObject, Part } from "../../core/chat-request.ts";
import type { CompletionRequest } from "../../core/completion-request.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { ollamaGenerateRequest, type OllamaGenerateRequest } from "../../wire/ollama.ts";
import { isJsonObject, parseBody } from "../../wire/parse-body.ts";
import type { CompletionDialect } from "../completion-dialect.ts";
import type { ChatDialect } from "../dialect.ts";
import { KEEP_ALIVE } from "./keep-alive.ts";
import { parseImages } from "./messages.ts";
import { toOptions } from "./options.ts";
import {
  ignoredFields,
  parseCommon,
  refusal,
  targetMembers,
  toRequestBody,
  unsupported,
  type OllamaTarget,
} from "./request.ts";
import { fromResponseBody, toWholeAnswer } from "./response.ts";
import { decoder, lineEncoder } from "./stream.ts";

/**
 * What a `/api/generate` body asks: a chat of one turn, since Ollama puts the prompt through the model's template as a
 * user's message; or, with a `suffix`, to fill the gap between two texts; or, `raw`, to go on with the prompt as it is.
 */
export type GenerateRequest =
  | { readonly kind: "chat"; readonly request: ChatRequest }
  | { readonly kind: "completion"; readonly request: CompletionRequest };

export function parseGenerate(body: unknown): Result<GenerateRequest, Failure> {
  const parsed = parseBody(ollamaGenerateRequest(), body);
  if (!parsed.ok) return parsed;
  const wire = parsed.value;
  const refused = refusal(wire) ?? templateRefusal(wire);
  if (refused) return err(refused);
  if (!wire.prompt) return err(invalid("prompt", "prompt: this field is missing or empty"));
  if (wire.suffix || wire.raw) return parseInsert(wire, wire.prompt, wire.suffix ?? "");
  const images = parseImages(wire.images, "images");
  if (!images.ok) return images;
  const said: Part[] = [{ type: "text", text: wire.prompt }, ...images.value];
  const messages: ChatRequest["messages"] = [
    ...(wire.system ? [{ role: "system", parts: [{ type: "text", text: wire.system }] } as const] : []),
    { role: "user", parts: said },
  ];
  return ok({ kind: "chat", request: { ...parseCommon(wire), messages } });
}

/** The prompt is put together where the model is: nobody else knows its template. */
function templateRefusal(wire: OllamaGenerateRequest): Failure | null {
  if (wire.template) return unsupported("template", "a prompt template of the request: send system and prompt");
  return null;
}

function parseInsert(wire: OllamaGenerateRequest, prompt: string, suffix: string): Result<GenerateRequest, Failure> {
  for (const name of ["system", "images", "format", "think"] as const) {
    const value = wire[name];
    if (!value || (Array.isArray(value) && value.length === 0)) continue;
    return err(invalid(name, `${name}: has no meaning together with ${suffix === "" ? "raw" : "suffix"}`));
  }
  const { model, stream, includeUsage, maxOutputTokens, stop, sampling, logprobs } = parseCommon(wire);
  return ok({
    kind: "completion",
    request: {
      model,
      prompt,
      ...(suffix === "" ? {} : { suffix }),
      stream,
      includeUsage,
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
      stop,
      sampling,
      ...(logprobs ? { logprobs } : {}),
    },
  });
}

function invalid(field: string, message: string): Failure {
  return { kind: "invalid_request", field, message };
}

/** Ollama's `POST /api/generate` without a suffix, as a client speaks it. Engines are asked over `/api/chat`. */
export const ollamaGenerate: ChatDialect = {
  surface: "ollama",
  parseRequest(body) {
    const parsed = parseGenerate(body);
    if (!parsed.ok) return parsed;
    return parsed.value.kind === "chat"
      ? ok(parsed.value.request)
      : err(unsupported("suffix", "filling a gap (suffix) or a raw prompt as a chat"));
  },
  toRequestBody,
  fromResponseBody,
  toResponseBody: (answer, meta) => toWholeAnswer("generate", answer, meta),
  decoder,
  encoder: (meta) => lineEncoder("generate", meta),
  keepAlive: KEEP_ALIVE,
};

/** Ollama's `POST /api/generate` as a completion: a client's `suffix`, and what an engine is asked for `/v1/completions`. */
export const ollamaInsert: CompletionDialect = {
  surface: "ollama",
  parseRequest(body) {
    const parsed = parseGenerate(body);
    if (!parsed.ok) return parsed;
    if (parsed.value.kind === "chat") return err(invalid("suffix", "suffix: is missing"));
    const { request } = parsed.value;
    const { model, stream, includeUsage } = request;
    const adjusted = isJsonObject(body) ? ignoredFields(body) : [];
    return ok({ model, stream, includeUsage, choices: [request], echo: false, extra: {}, adjusted });
  },
  toRequestBody: toGenerateBody,
  fromResponseBody,
  toResponseBody: ([answer], meta) => (answer ? toWholeAnswer("generate", answer, meta) : {}),
  decoder,
  encoder: (meta) => lineEncoder("generate", meta),
  keepAlive: KEEP_ALIVE,
};

/** A lone prompt goes raw; one with a suffix needs the model's own template, which knows the marks of the gap. */
function toGenerateBody(request: CompletionRequest): JsonObject {
  const options = toOptions(request);
  return {
    model: request.model,
    prompt: typeof request.prompt === "string" ? request.prompt : "",
    ...(request.suffix === undefined ? { raw: true } : { suffix: request.suffix }),
    stream: request.stream,
    ...(Object.keys(options).length > 0 ? { options } : {}),
    ...(request.logprobs ? { logprobs: true, top_logprobs: request.logprobs.top } : {}),
    truncate: false,
    shift: false,
  };
}

/** The body of an engine's `/api/generate`. An empty prompt would only load the model. */
export function planCompletion(request: CompletionRequest, target: OllamaTarget): Result<JsonObject, Failure> {
  if (typeof request.prompt !== "string") {
    return err(unsupported("prompt tokens", "prompts of token numbers on Ollama: send text"));
  }
  if (request.prompt === "") return err(unsupported("empty prompt", "an empty prompt on Ollama"));
  const body = toGenerateBody(request);
  return ok({ ...body, ...targetMembers(body, target) });
}
