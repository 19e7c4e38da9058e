import { expect, test } from "bun:test";
import { able, testReplica } from "../../core/test-replica.ts";
import type { Failure } from "../../core/failure.ts";
import { readLlamaServerError } from "./read-error.ts";

const ENGINE = { name: "llama-server", start: "llama-server …" };
const REPLICA = testReplica({ slots: 1, abilities: able("chat", "embeddings") });

function error(code: number, type: string, message: string, more: object = {}): string {
  return JSON.stringify({ error: { code, message, type, ...more } });
}

const cases: [string, number, string, Failure][] = [
  [
    "a prompt that does not fit, with its numbers",
    400,
    error(400, "exceed_context_size_error", "request (6020 tokens) exceeds …", { n_prompt_tokens: 6020, n_ctx: 512 }),
    { kind: "context_exceeded", model: "tiny", promptTokens: 6020, contextTokens: 512 },
  ],
  [
    "what the engine cannot do, with the field",
    501,
    error(501, "not_supported_error", "tools are not supported", { param: "tools" }),
    { kind: "unsupported", capability: "tools", endpoint: false, message: "tools are not supported" },
  ],
  [
    "an image for a model that cannot see, though the engine says 500",
    500,
    error(500, "server_error", "image input is not supported - hint: …"),
    {
      kind: "unsupported",
      capability: "images",
      endpoint: false,
      message: "image input is not supported - hint: …",
    },
  ],
  [
    "a bad field",
    400,
    error(400, "invalid_request_error", "'messages' is required", { param: "messages" }),
    { kind: "invalid_request", field: "messages", message: "'messages' is required" },
  ],
  [
    "a model that still loads",
    503,
    error(503, "unavailable_error", "Loading model"),
    { kind: "engine_unreachable", engine: "llama-server", endpoint: "", start: "llama-server …" },
  ],
  [
    "a key that is not taken",
    401,
    error(401, "authentication_error", "Invalid API Key"),
    {
      kind: "engine_failed",
      engine: "llama-server",
      cause: "it does not accept the API key that is configured",
    },
  ],
  [
    "a crash",
    500,
    error(500, "server_error", "decode failed"),
    { kind: "engine_failed", engine: "llama-server", cause: "decode failed" },
  ],
  [
    "a page of a proxy",
    502,
    "<html>bad gateway</html>",
    { kind: "engine_failed", engine: "llama-server", cause: "it answered with status 502" },
  ],
  [
    "an error that is text",
    500,
    '{"error":"boom"}',
    { kind: "engine_failed", engine: "llama-server", cause: "it answered with status 500" },
  ],
];
for (const [name, status, body, failure] of cases) {
  test(`${name} is read`, () => {
    expect(readLlamaServerError(ENGINE, status, body, REPLICA)).toEqual(failure);
  });
}
