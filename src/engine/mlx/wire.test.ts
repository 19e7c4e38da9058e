import { expect, test } from "bun:test";
import { able, testReplica } from "../../core/test-replica.ts";
import type { Failure } from "../../core/failure.ts";
import type { Result } from "../../core/result.ts";
import { scanBody } from "../../wire/scan-body.ts";
import { splice } from "../../wire/splice.ts";
import { readMlxError } from "./read-error.ts";
import { mlxWire } from "./wire.ts";

const REPLICA = testReplica({
  engine: "mlx",
  engineModel: "default_model",
  contextTokens: 8192,
  slots: 1,
  abilities: able("chat", "tools", "thinking"),
});
const MESSAGES = [{ role: "user", content: "hi" }];
const TOOLS = [{ type: "function", function: { name: "w", parameters: {} } }];

interface Amended {
  readonly body: Record<string, unknown>;
  readonly adjusted: readonly string[];
}

/** What the server gets of a client's body. */
function amend(client: object): Result<Amended, Failure> {
  const scanned = scanBody(new TextEncoder().encode(JSON.stringify({ model: "m", messages: MESSAGES, ...client })));
  if (!scanned.ok) return scanned;
  const edits = mlxWire.amend?.(scanned.value, REPLICA, "t");
  if (!edits) throw new Error("it amends nothing");
  if (!edits.ok) return edits;
  const bytes = splice(scanned.value, edits.value);
  return { ok: true, value: { body: JSON.parse(new TextDecoder().decode(bytes)), adjusted: edits.value.adjusted } };
}

const kept: [string, object, object, string[]][] = [
  ["a limit that the client gave stays", { max_tokens: 300 }, { max_tokens: 300 }, []],
  ["without one, the answer may fill the context instead of 512 tokens", {}, { max_tokens: 8184 }, []],
  ["a limit beyond the context is the context", { max_completion_tokens: 32_000 }, { max_tokens: 8184 }, []],
  ["null members are left out: the server takes them for wrong types", { temperature: null }, {}, []],
  ["a model that may not call is not told of tools", { tools: TOOLS, tool_choice: "none" }, {}, ["tools withheld"]],
  [
    "effort is a switch of the template",
    { reasoning_effort: "none" },
    { chat_template_kwargs: { enable_thinking: false } },
    [],
  ],
  [
    "log probabilities that a stream has not are said",
    { logprobs: true, stream: true },
    {},
    ["logprobs left out of the stream"],
  ],
];
for (const [name, client, sent, adjusted] of kept) {
  test(name, () => {
    const amended = amend(client);
    expect(amended).toMatchObject({ ok: true, value: { body: sent, adjusted } });
    const body = amended.ok ? amended.value.body : {};
    expect(Object.values(body)).not.toContain(null);
    if ("tool_choice" in client) expect(body).not.toHaveProperty("tools");
  });
}

const IMAGE = [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA" } }] }];
const refused: [string, object][] = [
  ["tool_choice", { tools: TOOLS, tool_choice: "required" }],
  ["tool_choice", { tools: TOOLS, tool_choice: { type: "function", function: { name: "w" } } }],
  ["response_format", { response_format: { type: "json_object" } }],
  ["images", { messages: IMAGE }],
  ["adapters", { adapters: "/srv/other" }],
  ["draft_model", { draft_model: "org/huge" }],
];
for (const [capability, client] of refused) {
  test(`${JSON.stringify(client).slice(0, 60)} is refused by name`, () => {
    expect(amend(client)).toMatchObject({ ok: false, error: { kind: "unsupported", capability } });
  });
}

test("a prompt that cannot fit by any count is refused with its numbers: the server would answer nonsense", () => {
  const words = (count: number) => ({ messages: [{ role: "user", content: "word ".repeat(count) }] });
  expect(amend(words(8_000))).toMatchObject({ ok: true });
  const error = { kind: "context_exceeded", model: "tiny", contextTokens: 8192 };
  expect(amend(words(20_000))).toMatchObject({ ok: false, error });
});

test("a translated request names the served model, and no tool choice", () => {
  const call = mlxWire.plan(
    {
      model: "tiny",
      messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
      stream: false,
      includeUsage: false,
      stop: [],
      sampling: {},
      tools: [{ name: "w", parameters: {} }],
      toolChoice: { kind: "auto" },
      output: { kind: "text" },
      thinking: { enabled: true },
    },
    REPLICA,
    "t",
  );
  const body: unknown = JSON.parse(call.ok ? call.value.body : "{}");
  expect(body).toMatchObject({ model: "default_model", chat_template_kwargs: { enable_thinking: true } });
  expect(body).toMatchObject({ tools: [{ function: { name: "w" } }] });
  expect(body).not.toHaveProperty("tool_choice");
});

/** Recorded from mlx_lm.server 0.32.2. */
const errors: [string, number, string, Partial<Failure>][] = [
  ["a wrong type", 400, '{"error": "max_tokens must be of type int"}', { kind: "invalid_request" }],
  ["an image", 404, `{"error": "Only 'text' content type is supported."}`, { kind: "unsupported" }],
  ["a model that it cannot load", 404, '{"error": "Cannot find an appropriate cached snapshot folder"}', MENDED()],
  ["a path that it does not know", 404, "Not Found", { kind: "engine_failed" }],
  ["a crash", 500, "", { kind: "engine_failed", cause: "it answered with status 500" }],
];
for (const [name, status, body, expected] of errors) {
  test(`reads ${name}`, () => {
    expect(readMlxError(status, body, REPLICA)).toMatchObject(expected);
  });
}

function MENDED(): Partial<Failure> {
  return { kind: "engine_failed", mend: "mlx_lm.server --model <model> --port 8088" };
}
