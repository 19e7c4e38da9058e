import { expect, test } from "bun:test";
import { able, testReplica } from "../../core/test-replica.ts";
import type { Failure } from "../../core/failure.ts";
import { readVllmError } from "./read-error.ts";

const REPLICA = testReplica({ engine: "vllm", slots: 256, abilities: able("chat", "tools", "images") });

function error(code: number, type: string, message: string, param: string | null = null): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

/** Recorded from vLLM 0.32.0, but for those that name another source. */
const cases: [string, number, string, Partial<Failure>][] = [
  [
    "a prompt that does not fit",
    400,
    error(
      400,
      "BadRequestError",
      "This model's maximum context length is 1024 tokens. However, your prompt contains at least 1025 input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=1025)",
      "input_tokens",
    ),
    { kind: "context_exceeded", model: "tiny", promptTokens: 1025, contextTokens: 1024 },
  ],
  [
    "a prompt that does not fit, as versions before said it (documentation)",
    400,
    error(
      400,
      "BadRequestError",
      "This model's maximum context length is 1024 tokens. However, you requested 5021 tokens (5000 in the messages, 21 in the completion). Please reduce the length of the messages or completion.",
    ),
    { kind: "context_exceeded", promptTokens: 5000, contextTokens: 1024 },
  ],
  [
    "an answer that would not fit beside the prompt (documentation)",
    400,
    error(
      400,
      "BadRequestError",
      "This model's maximum context length is 1024 tokens. However, you requested 5021 tokens (21 in the messages, 5000 in the completion).",
    ),
    { kind: "invalid_request", field: "max_tokens" },
  ],
  [
    "a limit above the context",
    400,
    error(
      400,
      "BadRequestError",
      "max_tokens=5000 cannot be greater than max_model_len=1024. Please request fewer output tokens. (parameter=max_tokens, value=5000)",
      "max_tokens",
    ),
    { kind: "invalid_request", field: "max_tokens" },
  ],
  [
    "a model that it does not serve",
    404,
    error(404, "NotFoundError", "The model `nope` does not exist. Valid aliases: tiny.", "model"),
    { kind: "engine_failed", engine: "vllm", cause: "it does not serve tiny any more" },
  ],
  [
    "an image for a model that cannot see",
    400,
    error(400, "BadRequestError", "tiny is not a multimodal model"),
    { kind: "unsupported", capability: "images" },
  ],
  [
    "tools where it was started without a parser (documentation)",
    400,
    error(
      400,
      "BadRequestError",
      '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    ),
    { kind: "unsupported", capability: "tools" },
  ],
  [
    "a suffix for a model that fills no gaps",
    400,
    error(400, "BadRequestError", "suffix is only supported for models with FIM completion rendering", "suffix"),
    { kind: "unsupported", capability: "suffix" },
  ],
  [
    "a field of a wrong type",
    400,
    error(400, "Bad Request", "1 validation error:\n  {'type': 'float_parsing'}", "body.temperature"),
    { kind: "invalid_request", field: "body.temperature" },
  ],
  [
    "its engine's death",
    500,
    error(500, "InternalServerError", "EngineCore encountered an issue. See stack trace (above) for the root cause."),
    { kind: "engine_failed", engine: "vllm" },
  ],
  [
    "a key that it does not take",
    401,
    '{"error":"Unauthorized"}',
    {
      kind: "engine_failed",
      cause: "it does not accept the API key: set VLLM_API_KEY to what it was started with",
    },
  ],
  [
    "the flat form of old versions (documentation)",
    400,
    JSON.stringify({ object: "error", message: "bad", type: "BadRequestError", param: null, code: 400 }),
    { kind: "invalid_request", message: "bad" },
  ],
  ["a route that it was not started for", 404, '{"detail":"Not Found"}', { kind: "engine_failed" }],
];
for (const [name, status, body, expected] of cases) {
  test(`reads ${name}`, () => {
    expect(readVllmError(status, body, REPLICA)).toMatchObject(expected);
  });
}
