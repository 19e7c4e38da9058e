import { expect, test } from "bun:test";
import type { ChatRequest, Message, Part } from "../../core/chat-request.ts";
import { ignoredFields, parseRequest, planRequest, toRequestBody, unsaid, untranslatable } from "./request.ts";

const HI = [{ role: "user", content: "hi" }];
const PNG = "iVBORw0KGgo=";
const TARGET = { model: "engine-name", numCtx: 8192, canThink: true };

function parsed(body: object): ChatRequest {
  const result = parseRequest({ model: "m", messages: HI, ...body });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function user(...parts: Part[]): Message {
  return { role: "user", parts };
}

test.each<[object, string]>([
  [{ messages: [] }, "messages"],
  [{ messages: "hi" }, "messages"],
  [{ messages: [{ role: "usr", content: "a" }] }, "messages[0].role"],
  [{ messages: [{ role: "user", content: [{ type: "text", text: "a" }] }] }, "messages[0].content"],
  [{ messages: [{ role: "user", content: "a", images: [PNG, "https://x.test/a.png"] }] }, "messages[0].images[1]"],
  [{ messages: [{ role: "user", content: "a", images: ["AAAA"] }] }, "messages[0].images[0]"],
  [{ messages: [{ role: "user", content: "a", images: [""] }] }, "messages[0].images[0]"],
  [{ messages: [{ role: "assistant", tool_calls: [{ function: {} }] }] }, "messages[0].tool_calls[0].function.name"],
  [{ model: "" }, "model"],
  [{ think: "very" }, "think"],
  [{ format: "xml" }, "format"],
  [{ stream: "no" }, "stream"],
  [{ options: { temperature: "hot" } }, "options.temperature"],
  [{ options: { num_predict: 1.5 } }, "options.num_predict"],
  [{ options: { stop: [1] } }, "options.stop[0]"],
  [{ top_logprobs: 21 }, "top_logprobs"],
  [{ tools: [{ type: "web_search", function: { name: "f" } }] }, "tools[0].type"],
])("a wrong field is refused by its path: %j", (body, field) => {
  const result = parseRequest({ model: "m", messages: HI, ...body });
  expect(result).toMatchObject({ ok: false, error: { kind: "invalid_request", field } });
  if (!result.ok && result.error.kind === "invalid_request") expect(result.error.message).toContain(field);
});

test("what would change the answer and cannot be translated is refused by name", () => {
  const wav = "UklGRiQAAABXQVZFZm10IA==";
  expect(parseRequest({ model: "m", messages: HI, _debug_render_only: true })).toMatchObject({
    ok: false,
    error: { kind: "unsupported", capability: "_debug_render_only" },
  });
  expect(parseRequest({ model: "m", messages: [{ role: "tool", content: "", images: [wav] }] })).toMatchObject({
    ok: false,
    error: { kind: "unsupported", capability: "audio in tool results" },
  });
});

test("a body without stream asks for one; null means absent and nothing else is defaulted", () => {
  const nulls = { stream: null, format: null, think: null, options: null, keep_alive: null, tools: null };
  expect(parsed(nulls)).toEqual({
    model: "m",
    messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
    stream: true,
    includeUsage: true,
    stop: [],
    sampling: {},
    tools: [],
    output: { kind: "text" },
  });
  expect(parsed({ stream: false })).toMatchObject({ stream: false, includeUsage: false });
});

test("a num_predict below 0 is no limit, and 0 is one", () => {
  expect(parsed({ options: { num_predict: -2 } })).not.toHaveProperty("maxOutputTokens");
  expect(parsed({ options: { num_predict: 0 } }).maxOutputTokens).toBe(0);
});

test("a data URL counts for its data, and arguments may be text", () => {
  const call = { function: { name: "f", arguments: '{"b":1}' } };
  const { messages } = parsed({
    messages: [
      { role: "user", content: "a", images: [`data:image/png;base64,${PNG}`] },
      { role: "assistant", tool_calls: [call, { function: { name: "g" } }] },
    ],
  });
  expect(messages[0]?.parts[1]).toMatchObject({ source: { mediaType: "image/png", data: PNG } });
  expect(messages[1]?.parts).toMatchObject([{ arguments: '{"b":1}' }, { arguments: "{}" }]);
});

test("fields that are not followed are named", () => {
  const options = { num_ctx: 4096, repeat_penalty: 1.1, temperature: 0, num_predict: 5, mirostat: null };
  const body = { model: "m", prompt: "x", options, context: [1], keep_alive: "5m", truncate: true, shift: false };
  expect(ignoredFields(body)).toEqual([
    "options.num_ctx",
    "options.repeat_penalty",
    "context",
    "keep_alive",
    "truncate",
  ]);
  expect(ignoredFields({ model: "m", messages: HI, options: { temperature: 1 } })).toEqual([]);
  expect(ignoredFields({ model: "m", options: null, keep_alive: null })).toEqual([]);
});

test("an engine is asked natively: no silent cut, the driver's context size, options only where there are any", () => {
  const plain = parsed({ stream: false });
  expect(toRequestBody(plain)).toEqual({
    model: "m",
    messages: [{ role: "user", content: "hi" }],
    stream: false,
    truncate: false,
    shift: false,
  });
  const planned = planRequest({ ...plain, maxOutputTokens: 9, stop: ["x"] }, { ...TARGET, keepAlive: -1 });
  expect<unknown>(planned).toEqual({
    ok: true,
    value: {
      model: "engine-name",
      messages: [{ role: "user", content: "hi" }],
      stream: false,
      truncate: false,
      shift: false,
      options: { num_predict: 9, stop: ["x"], num_ctx: 8192 },
      keep_alive: -1,
    },
  });
  expect(planRequest(plain, TARGET)).not.toHaveProperty("value.keep_alive");
});

test.each<[ChatRequest["thinking"], unknown]>([
  [undefined, undefined],
  [{ enabled: false, effort: "high" }, false],
  [{ enabled: true }, true],
  [{ enabled: true, budgetTokens: 1024 }, true],
  [{ enabled: true, effort: "medium" }, "medium"],
  [{ enabled: true, effort: "minimal" }, "low"],
  [{ enabled: true, effort: "xhigh" }, "max"],
  [{ enabled: true, effort: "max" }, "max"],
])("thinking %j is asked for as %j", (thinking, think) => {
  const request = { ...parsed({}), ...(thinking ? { thinking } : {}) };
  expect<unknown>(toRequestBody(request).think).toEqual(think);
  // A model that cannot think would refuse the whole request.
  const planned = planRequest(request, { ...TARGET, canThink: false });
  expect(planned.ok && "think" in planned.value).toBe(false);
});

test("output formats are native ones, and tools that may not be called are not told of", () => {
  const schema = { type: "object" };
  const tools = [{ name: "f", description: "d", parameters: schema }];
  const request = { ...parsed({}), tools };
  expect(toRequestBody({ ...request, output: { kind: "json" } }).format).toBe("json");
  expect(toRequestBody({ ...request, output: { kind: "json_schema", name: "n", schema } }).format).toEqual(schema);
  expect(toRequestBody(request).tools).toEqual([
    { type: "function", function: { name: "f", description: "d", parameters: schema } },
  ]);
  expect(toRequestBody({ ...request, toolChoice: { kind: "none" } })).not.toHaveProperty("tools");
});

test.each<[string, Partial<ChatRequest>, string]>([
  ["a required call", { toolChoice: { kind: "required" } }, "tool_choice"],
  ["a forced call", { toolChoice: { kind: "tool", name: "f" } }, "tool_choice"],
  [
    "an image URL",
    { messages: [user({ type: "image", source: { kind: "url", url: "https://x.test/a.png" } })] },
    "image URLs",
  ],
  [
    "an image URL in a result",
    {
      messages: [
        {
          role: "tool",
          parts: [
            {
              type: "tool_result",
              callId: "c",
              isError: false,
              content: [{ type: "image", source: { kind: "url", url: "https://x.test/a.png" } }],
            },
          ],
        },
      ],
    },
    "image URLs",
  ],
  [
    "a PDF",
    {
      messages: [user({ type: "document", source: { kind: "base64", mediaType: "application/pdf", data: "AA==" } })],
    },
    "documents",
  ],
])("%s is refused by name before the engine is asked", (_name, change, capability) => {
  const request = { ...parsed({}), ...change };
  expect(untranslatable(request)).toMatchObject({ kind: "unsupported", capability, endpoint: false });
  expect(planRequest(request, TARGET)).toMatchObject({ ok: false, error: { capability } });
});

test("what only guides and has no word is named, not hidden", () => {
  const request: ChatRequest = {
    ...parsed({}),
    tools: [{ name: "f", parameters: {} }],
    parallelToolCalls: false,
    thinking: { enabled: true, budgetTokens: 5 },
    messages: [{ role: "user", parts: [], name: "ann" }],
  };
  expect(unsaid(request)).toEqual(["parallel_tool_calls", "thinking.budget_tokens", "messages.name"]);
  expect(unsaid(parsed({}))).toEqual([]);
});

test("every kind of part has its place in a message", () => {
  const image: Part = { type: "image", source: { kind: "base64", mediaType: "image/png", data: PNG } };
  const messages: Message[] = [
    user(
      { type: "document", source: { kind: "text", text: "body" }, title: "t" },
      { type: "text", text: "read" },
      image,
      { type: "audio", format: "wav", data: "AA==" },
    ),
    {
      role: "assistant",
      parts: [
        { type: "thinking", text: "hm" },
        { type: "text", text: "so" },
        { type: "tool_call", id: "a", name: "f", arguments: '{"z":1,"a":{"y":2,"b":3}}' },
        { type: "tool_call", id: "b", name: "g", arguments: "" },
        { type: "tool_call", id: "c", name: "h", arguments: "{broken" },
      ],
    },
    {
      role: "tool",
      parts: [
        { type: "tool_result", callId: "a", content: [{ type: "text", text: "see" }, image], isError: true },
        { type: "tool_result", callId: "x", content: [], isError: false },
      ],
    },
    { role: "assistant", parts: [{ type: "refusal", text: "no" }] },
  ];
  const wire = toRequestBody({ ...parsed({}), messages }).messages;
  expect(wire).toEqual([
    { role: "user", content: '<document title="t">\nbody\n</document>\nread', images: [PNG, "AA=="] },
    {
      role: "assistant",
      content: "so",
      thinking: "hm",
      tool_calls: [
        { id: "a", function: { index: 0, name: "f", arguments: { z: 1, a: { y: 2, b: 3 } } } },
        { id: "b", function: { index: 1, name: "g", arguments: {} } },
        { id: "c", function: { index: 2, name: "h", arguments: { unparsed_arguments: "{broken" } } },
      ],
    },
    {
      role: "tool",
      content: "Error: see\n(image of this result: see the next user message)",
      tool_name: "f",
      tool_call_id: "a",
    },
    { role: "tool", content: "", tool_call_id: "x" },
    { role: "user", content: "(image of the result of a)", images: [PNG] },
    { role: "assistant", content: "no" },
  ]);
  expect(JSON.stringify(wire)).toContain('{"z":1,"a":{"y":2,"b":3}}');
});
