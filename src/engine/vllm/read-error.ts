import { z } from "zod";
import type { Failure } from "../../core/failure.ts";
import type { Replica } from "../../core/replica.ts";

const MAX_CAUSE_CHARACTERS = 300;
const described = {
  message: z.string(),
  type: z.string().nullish(),
  param: z.string().nullish(),
};
/** `type` is a class name, `code` the status as a number; versions before 0.10 had the same without the outer object. */
const nested = z.looseObject({ error: z.looseObject(described) });
const flat = z.looseObject({ object: z.literal("error"), ...described });

/** What a non-2xx answer of vLLM means. */
export function readVllmError(status: number, body: string, replica: Replica): Failure {
  const reported = parseReported(body);
  if (reported === null) return ofStatus(status, `it answered with status ${status}`);
  const message = reported.message.slice(0, MAX_CAUSE_CHARACTERS);
  if (/^max_(?:completion_)?tokens$/.test(reported.param ?? "")) {
    return { kind: "invalid_request", field: reported.param ?? null, message };
  }
  const overflow = readOverflow(reported.message, replica);
  if (overflow) return overflow;
  const lacking = readLacking(message);
  if (lacking) return lacking;
  if (status === 404 && /does not exist/.test(message)) {
    return failed(`it does not serve ${replica.engineModel} any more`);
  }
  if (status === 400 || status === 422) return { kind: "invalid_request", field: reported.param ?? null, message };
  return ofStatus(status, message);
}

function parseReported(body: string): z.infer<typeof flat> | z.infer<typeof nested>["error"] | null {
  const json = parseJson(body);
  const inner = nested.safeParse(json);
  if (inner.success) return inner.data.error;
  const outer = flat.safeParse(json);
  return outer.success ? outer.data : null;
}

/**
 * The prompt does not fit, or not together with the answer that was asked for. Each version words it differently; what is
 * common is the maximum, then what the request comes to.
 */
function readOverflow(message: string, replica: Replica): Failure | null {
  if (!/maximum (?:context|model) length|max_model_len/i.test(message)) return null;
  const context = Number(
    /(?:maximum (?:context|model) length (?:is|of)|max_model_len\D{0,10})\s*(\d+)/i.exec(message)?.[1],
  );
  const contextTokens = context > 0 ? context : replica.contextTokens;
  const prompt = PROMPT_TOKENS.map((pattern) => Number(pattern.exec(message)?.[1])).find((count) => count > 0);
  // A prompt that fits was asked for too long an answer: the client can mend that by itself.
  if (prompt !== undefined && prompt < contextTokens) {
    return { kind: "invalid_request", field: "max_tokens", message: message.slice(0, MAX_CAUSE_CHARACTERS) };
  }
  return { kind: "context_exceeded", model: replica.model, promptTokens: prompt ?? contextTokens + 1, contextTokens };
}

const PROMPT_TOKENS = [
  /prompt contains (?:at least )?(\d+) (?:input )?tokens/i,
  /\((\d+) in the messages/i,
  /(\d+) (?:input )?tokens (?:in|from) the/i,
  /has (\d+) input tokens/i,
  /(?:prompt|input) \(length (\d+)\)/i,
  /requested (\d+) tokens/i,
];

/** What it was not started for, with the flags that it wants. */
function readLacking(message: string): Failure | null {
  const lacks = (capability: string): Failure => ({ kind: "unsupported", capability, endpoint: false, message });
  if (/^suffix is only supported/i.test(message)) return lacks("suffix");
  if (/tool choice requires|tool-call-parser|enable-auto-tool-choice/i.test(message)) return lacks("tools");
  if (/not a multimodal model|at most 0 image|image input is not/i.test(message)) return lacks("images");
  if (/does not support (?:the )?(?:chat completions|embeddings|pooling|generate|score)/i.test(message)) {
    return lacks(/embed/i.test(message) ? "embeddings" : "chat");
  }
  return null;
}

function ofStatus(status: number, cause: string): Failure {
  if (status === 401 || status === 403) {
    return failed("it does not accept the API key: set VLLM_API_KEY to what it was started with");
  }
  return failed(cause);
}

function failed(cause: string): Failure {
  return { kind: "engine_failed", engine: "vllm", cause };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
