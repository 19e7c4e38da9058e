import { expect, test } from "bun:test";
import type { ChatRequest, Message } from "../../core/chat-request.ts";
import { parseRequest, toRequestBody } from "./request.ts";

const HI = [{ role: "user", content: "hi" }];

function parsed(body: object): ChatRequest {
  const result = parseRequest({ model: "m", messages: HI, ...body });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function messagesOf(messages: readonly Message[]): unknown {
  return toRequestBody({ ...parsed({}), messages }).messages;
}

test.each<[object, string | null]>([
  [
    { messages: [{ role: "user", content: [{ type: "text", text: "a" }, { type: "video" }] }] },
    "messages[0].content[1].type",
  ],
  [{ messages: [{ role: "user", content: [{ type: "text", text: 1 }] }] }, "messages[0].content[0].text"],
  [{ messages: [{ role: "usr", content: "a" }] }, "messages[0].role"],
  [{ messages: [{ role: "function", name: "f", content: "a" }] }, "messages[0].role"],
  [{ messages: [] }, "messages"],
  [{ messages: "hi" }, "messages"],
  [{ model: "" }, "model"],
  [{ temperature: "hot" }, "temperature"],
  [{ max_tokens: -1 }, "max_tokens"],
  [{ tools: [{ type: "web_search" }] }, "tools[0].type"],
  [{ tool_choice: { type: "custom" } }, "tool_choice.type"],
  [{ response_format: { type: "xml" } }, "response_format.type"],
  [{ top_logprobs: 3 }, "top_logprobs"],
  [
    { messages: [{ role: "user", content: [{ type: "file", file: { file_id: "f" } }] }] },
    "messages[0].content[0].file",
  ],
])("a wrong field is refused by its path: %j", (body, field) => {
  const result = parseRequest({ model: "m", messages: HI, ...body });
  expect(result).toMatchObject({ ok: false, error: { kind: "invalid_request", field } });
  if (!result.ok && result.error.kind === "invalid_request") expect(result.error.message).toContain(String(field));
});

test("a body that is no object is refused", () => {
  expect(parseRequest([])).toMatchObject({ ok: false, error: { kind: "invalid_request", field: null } });
});

test.each<[object, string]>([
  [{ n: 2 }, "n"],
  [{ logit_bias: { "5": 1 } }, "logit_bias"],
  [{ modalities: ["text", "audio"] }, "modalities"],
  [{ functions: [{ name: "f" }] }, "functions"],
  [{ web_search_options: {} }, "web_search_options"],
])("what would change the answer and cannot be translated is refused by name: %j", (body, capability) => {
  const result = parseRequest({ model: "m", messages: HI, ...body });
  expect(result).toMatchObject({ ok: false, error: { kind: "unsupported", capability, endpoint: false } });
});

test("null means absent, unknown fields are tolerated, and nothing is defaulted", () => {
  const nulls = {
    temperature: null,
    max_tokens: null,
    stop: null,
    tools: null,
    tool_choice: null,
    stream: null,
    user: null,
  };
  expect(parsed({ ...nulls, n: 1, logit_bias: {}, metadata: {}, whatever: { a: 1 } })).toEqual({
    model: "m",
    messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
    stream: false,
    includeUsage: false,
    stop: [],
    sampling: {},
    tools: [],
    output: { kind: "text" },
  });
});

test("content may be a string, null, empty or parts in every role, and developer is system", () => {
  const { messages } = parsed({
    messages: [
      { role: "developer", content: [{ type: "text", text: "d" }] },
      { role: "system", content: "s" },
      { role: "user", content: "u" },
      { role: "user", content: "v" },
      {
        role: "assistant",
        content: "",
        tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "" } }],
      },
      { role: "tool", tool_call_id: "1", content: [{ type: "text", text: "r" }] },
      { role: "tool", tool_call_id: "2", content: null },
      { role: "assistant", content: null, reasoning_content: "think", refusal: "no" },
    ],
  });
  expect(messages).toEqual([
    { role: "system", parts: [{ type: "text", text: "d" }] },
    { role: "system", parts: [{ type: "text", text: "s" }] },
    { role: "user", parts: [{ type: "text", text: "u" }] },
    { role: "user", parts: [{ type: "text", text: "v" }] },
    { role: "assistant", parts: [{ type: "tool_call", id: "1", name: "f", arguments: "{}" }] },
    {
      role: "tool",
      parts: [
        { type: "tool_result", callId: "1", content: [{ type: "text", text: "r" }], isError: false },
        { type: "tool_result", callId: "2", content: [], isError: false },
      ],
    },
    {
      role: "assistant",
      parts: [
        { type: "thinking", text: "think" },
        { type: "refusal", text: "no" },
      ],
    },
  ]);
});

test("a tool without parameters takes none, and a streamed call always asks for usage", () => {
  const request = parsed({ stream: true, tools: [{ type: "function", function: { name: "f" } }] });
  expect([request.includeUsage, request.tools]).toEqual([
    false,
    [{ name: "f", parameters: { type: "object", properties: {} } }],
  ]);
  expect(toRequestBody(request)).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  expect(toRequestBody(parsed({}))).not.toHaveProperty("stream_options");
});

test.each<[object, unknown]>([
  [{ reasoning_effort: "none" }, { enabled: false }],
  [{ reasoning_effort: "high" }, { enabled: true, effort: "high" }],
  [{ reasoning: { effort: "low" } }, { enabled: true, effort: "low" }],
  [{ chat_template_kwargs: { enable_thinking: false } }, { enabled: false }],
  [{}, undefined],
])("thinking is asked for in every known way: %j", (body, thinking) => {
  expect<unknown>(parsed(body).thinking).toEqual(thinking);
});

test("images of tool results wait behind all results of the turn and lead the next user message", () => {
  const image = { type: "image", source: { kind: "base64", mediaType: "image/png", data: "AA==" } } as const;
  const result = (callId: string, isError: boolean) =>
    ({ type: "tool_result", callId, content: [{ type: "text", text: `see ${callId}` }, image], isError }) as const;
  const wire = messagesOf([
    { role: "tool", parts: [result("a", false), result("b", true)] },
    { role: "user", parts: [{ type: "text", text: "and?" }] },
  ]);
  const imageUrl = { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } };
  expect(wire).toEqual([
    { role: "tool", tool_call_id: "a", content: "see a\n(image of this result: see the next user message)" },
    { role: "tool", tool_call_id: "b", content: "Error: see b\n(image of this result: see the next user message)" },
    {
      role: "user",
      content: [
        { type: "text", text: "(image of the result of a)" },
        imageUrl,
        { type: "text", text: "(image of the result of b)" },
        imageUrl,
        { type: "text", text: "and?" },
      ],
    },
  ]);
});

test("images of the last results get a user message of their own", () => {
  const image = { type: "image", source: { kind: "url", url: "https://x.test/a.png" } } as const;
  const results: Message = {
    role: "tool",
    parts: [{ type: "tool_result", callId: "a", content: [image], isError: false }],
  };
  expect(messagesOf([results])).toHaveLength(2);
  expect(messagesOf([results, { role: "assistant", parts: [{ type: "text", text: "ok" }] }])).toMatchObject([
    { role: "tool" },
    { role: "user" },
    { role: "assistant", content: "ok" },
  ]);
});

test("documents, audio, refusals and thinking have their place, and empty content is an empty text", () => {
  const wire = messagesOf([
    {
      role: "user",
      parts: [
        { type: "document", source: { kind: "text", text: "body" }, title: "t" },
        { type: "document", source: { kind: "base64", mediaType: "application/pdf", data: "AA==" }, title: "f.pdf" },
        { type: "audio", format: "wav", data: "AA==" },
      ],
    },
    {
      role: "assistant",
      parts: [
        { type: "thinking", text: "hm" },
        { type: "tool_call", id: "1", name: "f", arguments: "" },
      ],
    },
    { role: "assistant", parts: [{ type: "refusal", text: "no" }] },
  ]);
  expect(wire).toEqual([
    {
      role: "user",
      content: [
        { type: "text", text: '<document title="t">\nbody\n</document>' },
        { type: "file", file: { file_data: "data:application/pdf;base64,AA==", filename: "f.pdf" } },
        { type: "input_audio", input_audio: { data: "AA==", format: "wav" } },
      ],
    },
    {
      role: "assistant",
      content: "",
      reasoning_content: "hm",
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }],
    },
    { role: "assistant", content: "no" },
  ]);
});
