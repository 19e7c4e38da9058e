import { expect, test } from "bun:test";
import { able, testReplica } from "../../core/test-replica.ts";
import type { Failure } from "../../core/failure.ts";
import { failureMessage } from "../../dialect/failure-shape.ts";
import { readOllamaError } from "./read-error.ts";

const REPLICA = testReplica({
  engine: "ollama",
  model: "qwen3",
  engineModel: "qwen3:latest",
  contextTokens: 8192,
  slots: 1,
  abilities: able("chat", "tools", "thinking"),
});

const OVERFLOW = JSON.stringify({
  error: {
    code: 400,
    message: "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
    type: "exceed_context_size_error",
    n_prompt_tokens: 9000,
    n_ctx: 8192,
  },
});

/** Texts from the source of 0.33; none was recorded. */
const cases: [string, number, string, Partial<Failure>][] = [
  [
    "a prompt that does not fit, as its llama-server says it",
    400,
    OVERFLOW,
    { kind: "context_exceeded", model: "qwen3", promptTokens: 9000, contextTokens: 8192 },
  ],
  [
    "a prompt that does not fit, without numbers",
    400,
    "the input length exceeds the context length",
    { kind: "context_exceeded", model: "qwen3", promptTokens: 8193, contextTokens: 8192 },
  ],
  [
    "Homebrew's broken formula",
    500,
    "llama-server binary not found (checked: /opt/homebrew/lib/ollama). Run 'cmake …' first",
    { kind: "engine_failed", mend: "brew uninstall ollama && brew install --cask ollama" },
  ],
  ["tools that a model lacks", 400, '"llava" does not support tools', { kind: "unsupported", capability: "tools" }],
  [
    "a model that was deleted",
    404,
    'model "qwen3:latest" not found, try pulling it first',
    { kind: "engine_failed", mend: "ollama pull qwen3:latest" },
  ],
  [
    "a full queue",
    503,
    "server busy, please try again.  maximum pending requests exceeded",
    { kind: "queue_full", model: "qwen3", retryAfterMs: 1000 },
  ],
  [
    "a context that is too large for the machine",
    500,
    "model requires more system memory (30.1 GiB) than is available (12 GiB)",
    { kind: "engine_failed", mend: "FLOCK_ENGINE_OLLAMA_CONTEXT=8192 flock up" },
  ],
  ["a bad field", 400, "invalid options: num_ctx", { kind: "invalid_request" }],
  ["anything else", 500, "boom", { kind: "engine_failed", engine: "ollama", cause: "boom" }],
];
for (const [name, status, error, expected] of cases) {
  test(`reads ${name}`, () => {
    expect(readOllamaError(status, JSON.stringify({ error }), REPLICA)).toMatchObject(expected);
  });
}

test("an answer that is no JSON is told by its status", () => {
  const failure = readOllamaError(502, "<html>bad gateway</html>", REPLICA);
  expect(failure).toEqual({ kind: "engine_failed", engine: "ollama", cause: "it answered with status 502" });
});

test("the command that mends is part of what the client reads", () => {
  const failure = readOllamaError(500, JSON.stringify({ error: "llama-server binary not found" }), REPLICA);
  expect(failureMessage(failure)).toEndWith("Mend it with: brew uninstall ollama && brew install --cask ollama");
});
