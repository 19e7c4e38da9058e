import { expect, test } from "bun:test";
import type { Failure, FailureKind } from "../core/failure.ts";
import { failureMessage, THREADS_CAPABILITY, toErrorResponse } from "./failure-shape.ts";

type Expected = {
  failure: Failure;
  openai: readonly [number, string, string | null];
  anthropic: readonly [number, string];
  ollama: number;
  says: readonly string[];
  retryAfter?: string;
};

const CASES: Record<Exclude<FailureKind, "cancelled">, Expected> = {
  unauthenticated: {
    failure: { kind: "unauthenticated", reason: "No key was sent" },
    openai: [401, "invalid_request_error", "invalid_api_key"],
    anthropic: [401, "authentication_error"],
    ollama: 401,
    says: ["No key was sent", "flock token create"],
  },
  forbidden: {
    failure: { kind: "forbidden", what: "model qwen3-8b" },
    openai: [403, "insufficient_permissions", "insufficient_permissions"],
    anthropic: [403, "permission_error"],
    ollama: 403,
    says: ["model qwen3-8b", "flock token create"],
  },
  invalid_request: {
    failure: { kind: "invalid_request", field: "messages[0].role", message: "messages[0].role: expected a string" },
    openai: [400, "invalid_request_error", null],
    anthropic: [400, "invalid_request_error"],
    ollama: 400,
    says: ["messages[0].role"],
  },
  unknown_response: {
    failure: { kind: "unknown_response", id: "resp_1" },
    openai: [404, "invalid_request_error", null],
    anthropic: [404, "not_found_error"],
    ollama: 404,
    says: ["resp_1"],
  },
  too_large: {
    failure: { kind: "too_large", limitBytes: 1024 },
    openai: [413, "invalid_request_error", "request_too_large"],
    anthropic: [413, "request_too_large"],
    ollama: 413,
    says: ["1024 bytes"],
  },
  unknown_model: {
    failure: { kind: "unknown_model", model: "qwen", nearest: ["qwen3-8b", "qwen3-14b"] },
    openai: [404, "invalid_request_error", "model_not_found"],
    anthropic: [404, "not_found_error"],
    ollama: 404,
    says: ['"qwen"', '"qwen3-8b", "qwen3-14b"', "GET /v1/models", "flock model ls"],
  },
  context_exceeded: {
    failure: { kind: "context_exceeded", model: "qwen3-8b", promptTokens: 9000, contextTokens: 8192 },
    openai: [400, "invalid_request_error", "context_length_exceeded"],
    anthropic: [400, "invalid_request_error"],
    ollama: 400,
    says: ["9000 tokens", "8192"],
  },
  unsupported: {
    failure: { kind: "unsupported", capability: "images", endpoint: false, message: "qwen3-8b cannot see images" },
    openai: [400, "invalid_request_error", "unsupported"],
    anthropic: [400, "invalid_request_error"],
    ollama: 400,
    says: ["cannot see images"],
  },
  rate_limited: {
    failure: { kind: "rate_limited", limit: "requests_per_minute", message: "60 requests a minute.", retryAfterMs: 1 },
    openai: [429, "rate_limit_error", "rate_limit_exceeded"],
    anthropic: [429, "rate_limit_error"],
    ollama: 429,
    says: ["60 requests a minute", "in 1 s"],
    retryAfter: "1",
  },
  quota_exceeded: {
    failure: { kind: "quota_exceeded", limitTokens: 1000, usedTokens: 1200, retryAfterMs: 3_600_001 },
    openai: [429, "insufficient_quota", "insufficient_quota"],
    anthropic: [429, "rate_limit_error"],
    ollama: 429,
    says: ["1000 tokens", "1200 used", "3601 s"],
    retryAfter: "3601",
  },
  queue_full: {
    failure: { kind: "queue_full", model: "qwen3-8b", retryAfterMs: 2500 },
    openai: [429, "rate_limit_error", "rate_limit_exceeded"],
    anthropic: [529, "overloaded_error"],
    ollama: 503,
    says: ["qwen3-8b", "in 3 s"],
    retryAfter: "3",
  },
  engine_unreachable: {
    failure: {
      kind: "engine_unreachable",
      engine: "ollama",
      endpoint: "http://127.0.0.1:11434",
      start: "ollama serve",
    },
    openai: [503, "server_error", "engine_unreachable"],
    anthropic: [529, "overloaded_error"],
    ollama: 503,
    says: ["ollama", "http://127.0.0.1:11434", "`ollama serve`"],
  },
  engine_failed: {
    failure: { kind: "engine_failed", engine: "vllm", cause: "out of memory" },
    openai: [502, "server_error", "engine_failed"],
    anthropic: [500, "api_error"],
    ollama: 502,
    says: ["vllm", "out of memory", "flock status"],
  },
  engine_timeout: {
    failure: { kind: "engine_timeout", engine: "vllm", waitedMs: 30_000 },
    openai: [504, "server_error", "engine_timeout"],
    anthropic: [500, "api_error"],
    ollama: 504,
    says: ["vllm", "30 s"],
  },
  internal: {
    failure: { kind: "internal", id: "err_1" },
    openai: [500, "server_error", "internal_error"],
    anthropic: [500, "api_error"],
    ollama: 500,
    says: ["err_1"],
  },
};

for (const [kind, expected] of Object.entries(CASES)) {
  test(`${kind} has its status, type, code and text on every surface`, () => {
    const { failure } = expected;
    const openai = toErrorResponse("openai", failure, "req_1");
    const anthropic = toErrorResponse("anthropic", failure, "req_1");
    const ollama = toErrorResponse("ollama", failure, "req_1");
    for (const answer of [openai, anthropic, ollama]) {
      expect(answer.headers["x-request-id"]).toBe("req_1");
      expect(answer.headers["request-id"]).toBe("req_1");
      expect(answer.headers["content-type"]).toBe("application/json");
      expect(answer.headers["retry-after"]).toBe(expected.retryAfter);
      for (const word of expected.says) expect(answer.body).toContain(JSON.stringify(word).slice(1, -1));
    }
    const [status, type, code] = expected.openai;
    expect(openai.status).toBe(status);
    expect(JSON.parse(openai.body)).toMatchObject({ error: { type, code, message: failureMessage(failure) } });
    expect(JSON.parse(openai.body).error).toHaveProperty("param");
    expect(anthropic.status).toBe(expected.anthropic[0]);
    expect(JSON.parse(anthropic.body)).toEqual({
      type: "error",
      error: { type: expected.anthropic[1], message: failureMessage(failure, "anthropic") },
      request_id: "req_1",
    });
    expect(ollama.status).toBe(expected.ollama);
    expect(JSON.parse(ollama.body)).toEqual({ error: failureMessage(failure, "ollama") });
  });
}

test("a prompt that does not fit is said to Anthropic clients in exactly the words that Claude Code parses", () => {
  const { failure } = CASES.context_exceeded;
  expect(failureMessage(failure, "anthropic")).toBe("prompt is too long: 9000 tokens > 8192 maximum");
});

test("an invalid request names its field as the OpenAI param", () => {
  const answer = toErrorResponse("openai", CASES.invalid_request.failure, "req_1");
  expect(JSON.parse(answer.body).error.param).toBe("messages[0].role");
});

test("a missing endpoint is 501 for OpenAI clients", () => {
  const failure: Failure = { kind: "unsupported", capability: "batches", endpoint: true, message: "no batches" };
  expect(toErrorResponse("openai", failure, "r").status).toBe(501);
  expect(toErrorResponse("anthropic", failure, "r").status).toBe(400);
});

test("the refusal of message threads carries the code that makes the Anthropic SDK send the whole history", () => {
  const failure: Failure = { kind: "unsupported", capability: THREADS_CAPABILITY, endpoint: false, message: "m" };
  const { error } = JSON.parse(toErrorResponse("anthropic", failure, "r").body);
  expect(error).toMatchObject({
    type: "invalid_request_error",
    details: { error_code: "thread_unsupported_request", unsupported: [] },
  });
});

test("a cancelled request is 499 with no body", () => {
  for (const surface of ["openai", "anthropic", "ollama"] as const) {
    expect(toErrorResponse(surface, { kind: "cancelled" }, "r")).toMatchObject({ status: 499, body: "" });
  }
});
