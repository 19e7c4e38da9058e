import fc from "fast-check";
import { type Endpoint, ENDPOINTS } from "./endpoints.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What clients send beside the least of it, so that there is more to break. */
const RICH: Readonly<Record<string, Record<string, Json>>> = {
  "/v1/chat/completions": {
    messages: [
      { role: "system", content: "s" },
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } },
        ],
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c", content: "r" },
    ],
    tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }],
    tool_choice: { type: "function", function: { name: "f" } },
    response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" } } },
    stream_options: { include_usage: true },
    stop: ["x"],
    logit_bias: { "1": 2 },
  },
  "/v1/messages": {
    system: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }],
    messages: [
      { role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } }] },
      { role: "assistant", content: [{ type: "tool_use", id: "t", name: "f", input: { a: 1 } }] },
      {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: "r" }], is_error: true }],
      },
    ],
    tools: [{ name: "f", input_schema: { type: "object" } }],
    tool_choice: { type: "tool", name: "f" },
    thinking: { type: "enabled", budget_tokens: 1024 },
    output_config: { effort: "low", format: { type: "json_schema", schema: { type: "object" } } },
    metadata: { user_id: "{}" },
  },
  "/v1/responses": {
    input: [
      { type: "message", role: "user", content: [{ type: "input_text", text: "a" }] },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: [{ type: "input_text", text: "r" }] },
      { type: "reasoning", id: "r", summary: [] },
    ],
    tools: [
      { type: "namespace", name: "n", tools: [{ type: "function", name: "f", parameters: { type: "object" } }] },
      { type: "web_search" },
    ],
    text: { format: { type: "text" } },
    reasoning: { effort: "low" },
    include: ["reasoning.encrypted_content"],
    store: true,
  },
  "/api/chat": {
    messages: [
      { role: "user", content: "a", images: ["aGk="] },
      { role: "assistant", content: "", tool_calls: [{ function: { name: "f", arguments: {} } }] },
      { role: "tool", content: "r", tool_name: "f" },
    ],
    tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
    options: { temperature: 1, num_ctx: 5, stop: ["x"] },
    format: { type: "object" },
    think: true,
    keep_alive: "5m",
  },
  "/v1/completions": { prompt: ["a", "b"], suffix: "c", n: 2, stop: "x", logprobs: 1, stream_options: {} },
};

const odd: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, "", 0, -1, 1e21, 0.5, [], {}, [[]], "__proto__", "\u0000", "é☃😀", [null], {
    a: { b: [] },
  }),
  fc.string({ maxLength: 20 }),
  fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>,
);

/** Where in a value something is changed, and to what. */
const change = fc.record({
  steps: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 6 }),
  what: fc.constantFrom("replace", "remove", "wrap", "repeat", "add"),
  value: odd,
});

function mutate(value: Json, steps: readonly number[], what: string, put: Json): Json {
  const [step = 0, ...rest] = steps;
  if (typeof value !== "object" || value === null) return apply(value, what, put);
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return apply(value, what, put);
  if (Array.isArray(value)) {
    const at = Number(key);
    if (rest.length === 0 && what === "remove") return value.toSpliced(at, 1);
    const inner = value[at] ?? null;
    return value.with(at, rest.length === 0 ? apply(inner, what, put) : mutate(inner, rest, what, put));
  }
  if (rest.length === 0 && what === "remove")
    return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
  if (rest.length === 0 && what === "add") return { ...value, [typeof put === "string" ? put : "strange"]: put };
  const inner = value[key] ?? null;
  return { ...value, [key]: rest.length === 0 ? apply(inner, what, put) : mutate(inner, rest, what, put) };
}

function apply(value: Json, what: string, put: Json): Json {
  if (what === "wrap") return [value];
  if (what === "repeat") return [value, value, value];
  return put;
}

/** Right bodies of all endpoints, broken in one to three places. */
export const oddBodies: fc.Arbitrary<{ endpoint: Endpoint; text: string }> = fc
  .record({
    endpoint: fc.constantFrom(...ENDPOINTS),
    changes: fc.array(change, { minLength: 1, maxLength: 3 }),
    stream: fc.boolean(),
    rich: fc.boolean(),
  })
  .map(({ endpoint, changes, stream, rich }) => {
    const whole = {
      ...(endpoint.body as Record<string, Json>),
      ...(rich ? RICH[endpoint.path] : {}),
      ...(stream ? { stream } : {}),
    };
    const mutated = changes.reduce<Json>((body, { steps, what, value }) => mutate(body, steps, what, value), whole);
    return { endpoint, text: JSON.stringify(mutated) };
  });
