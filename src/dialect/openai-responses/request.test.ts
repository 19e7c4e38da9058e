import { expect, test } from "bun:test";
import type { ChatRequest, JsonObject } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { anthropicMessages } from "../anthropic-messages/dialect.ts";
import { openaiChat } from "../openai-chat/dialect.ts";
import { parseRequest, toRequestBody, untranslatable } from "./request.ts";
import { droppedFields } from "./request-fields.ts";

function parse(more: object): ChatRequest {
  const request = parseRequest({ model: "m", input: "hi", ...more });
  if (!request.ok) throw new Error(JSON.stringify(request.error));
  return request.value;
}

function refuse(more: object): Failure {
  const request = parseRequest({ model: "m", input: "hi", ...more });
  if (request.ok) throw new Error("it was accepted");
  return request.error;
}

const item = (one: object): object => ({ input: [one] });
const image = { type: "input_image", image_url: "data:image/png;base64,iVBORw0KGgo=" };

test.each<[string, object]>([
  ["model", { model: 5 }],
  ["input", { input: undefined }],
  ["input", { input: [] }],
  ["input[0].type", item({ type: "mesage", role: "user", content: "x" })],
  ["input[0].role", item({ role: "tool", content: "x" })],
  ["input[0].content[0].type", item({ role: "user", content: [{ type: "video" }] })],
  ["input[0].content[0].type", item({ role: "system", content: [image] })],
  ["input[0].content[0]", item({ role: "user", content: [{ type: "input_image", file_id: "file_1" }] })],
  ["input[0].content[0]", item({ role: "user", content: [{ type: "input_file", file_id: "file_1" }] })],
  ["input[0].output[0]", item({ type: "function_call_output", call_id: "c", output: [{ type: "input_image" }] })],
  ["input[0].call_id", item({ type: "function_call", name: "f" })],
  ["input[0]", item({ type: "item_reference", id: "msg_1" })],
  ["tools[0].name", { tools: [{ type: "function" }] }],
  ["tools[0].tools[0].name", { tools: [{ type: "namespace", name: "n", tools: [{ type: "function" }] }] }],
  [
    "tools[1].tools[0].name",
    {
      tools: [
        { type: "function", name: "a__b" },
        { type: "namespace", name: "a", tools: [{ type: "function", name: "b" }] },
      ],
    },
  ],
  ["max_output_tokens", { max_output_tokens: -1 }],
  ["previous_response_id", { previous_response_id: "resp_1" }],
])("a wrong field is refused by its path: %s", (field, more) => {
  expect(refuse(more)).toMatchObject({ kind: "invalid_request", field, message: expect.stringContaining(field) });
});

test.each([
  ["background", { background: true }],
  ["conversation", { conversation: "conv_1" }],
  ["prompt", { prompt: { id: "p" } }],
  ["tool_choice", { tool_choice: { type: "web_search" }, tools: [{ type: "web_search" }] }],
  ["tool_choice", { tool_choice: "required", tools: [{ type: "web_search" }] }],
])("what cannot be done here is refused by name: %s", (capability, more) => {
  expect(refuse(more)).toMatchObject({
    kind: "unsupported",
    capability,
    endpoint: false,
    message: expect.stringContaining(capability),
  });
});

test("hints for the vendor are passed over, never refused", () => {
  const { messages, ...rest } = parse({
    text: {},
    store: false,
    include: ["reasoning.encrypted_content"],
    client_metadata: { a: 1 },
    metadata: { a: "b" },
    service_tier: "flex",
    stream_options: { include_obfuscation: false },
    prompt_cache_retention: "24h",
    reasoning: { summary: "auto" },
    background: false,
    conversation: null,
    previous_response_id: null,
    max_tool_calls: 3,
    truncation: "auto",
  });
  expect(messages).toEqual([{ role: "user", parts: [{ type: "text", text: "hi" }] }]);
  expect(rest).toEqual({
    model: "m",
    stream: false,
    includeUsage: false,
    stop: [],
    sampling: {},
    tools: [],
    output: { kind: "text" },
  });
});

test("instructions and leading developer messages are one system message; later ones stay in place", () => {
  const { messages } = parse({
    instructions: "a",
    input: [
      { role: "developer", content: "b" },
      { type: "message", role: "system", content: [{ type: "input_text", text: "c" }] },
      { role: "user", content: "d" },
      { role: "developer", content: "e" },
      { role: "developer", content: "f" },
    ],
  });
  expect(messages.map(({ role, parts }) => [role, ...parts.map((part) => "text" in part && part.text)])).toEqual([
    ["system", "a", "b", "c"],
    ["user", "d"],
    ["system", "e"],
    ["system", "f"],
  ]);
});

test("the items of an assistant's turn are one message and the outputs of its calls another", () => {
  const { messages } = parse({
    input: [
      { role: "user", content: "go" },
      { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "hm" }] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "ok", annotations: [] }] },
      { type: "function_call", call_id: "a", name: "close", namespace: "agents", arguments: "" },
      { type: "custom_tool_call", call_id: "b", name: "patch", input: 'say "x"' },
      { type: "function_call_output", call_id: "a", output: [{ type: "input_text", text: "done" }, image] },
      { type: "custom_tool_call_output", call_id: "b", output: "fine" },
      { role: "assistant", content: [{ type: "refusal", refusal: "no" }] },
    ],
  });
  expect(messages.slice(1)).toEqual([
    {
      role: "assistant",
      parts: [
        { type: "thinking", text: "hm" },
        { type: "text", text: "ok" },
        { type: "tool_call", id: "a", name: "agents__close", arguments: "{}" },
        { type: "tool_call", id: "b", name: "patch", arguments: '{"input":"say \\"x\\""}' },
      ],
    },
    {
      role: "tool",
      parts: [
        {
          type: "tool_result",
          callId: "a",
          content: [
            { type: "text", text: "done" },
            { type: "image", source: { kind: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" } },
          ],
          isError: false,
        },
        { type: "tool_result", callId: "b", content: [{ type: "text", text: "fine" }], isError: false },
      ],
    },
    { role: "assistant", parts: [{ type: "refusal", text: "no" }] },
  ]);
});

test("a user message may hold text, images, files and sound", () => {
  const { messages } = parse(
    item({
      role: "user",
      content: [
        { type: "text", text: "t" },
        { type: "input_image", image_url: "https://x.test/a.png", detail: "original" },
        { type: "input_file", filename: "a.pdf", file_data: "JVBERi0=" },
        { type: "input_file", filename: "b.txt", file_data: "data:text/plain;base64,aGk=" },
        { type: "input_file", file_url: "https://x.test/c.pdf" },
        { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
      ],
    }),
  );
  expect(messages[0]?.parts).toEqual([
    { type: "text", text: "t" },
    { type: "image", source: { kind: "url", url: "https://x.test/a.png" }, detail: "high" },
    {
      type: "document",
      source: { kind: "base64", mediaType: "application/pdf", data: "JVBERi0=" },
      title: "a.pdf",
    },
    { type: "document", source: { kind: "base64", mediaType: "text/plain", data: "aGk=" }, title: "b.txt" },
    { type: "document", source: { kind: "url", url: "https://x.test/c.pdf" } },
    { type: "audio", format: "wav", data: "UklGRg==" },
  ]);
});

test("a vendor's encrypted thinking comes back as it was, and a local engine never sees it", () => {
  const body = {
    model: "m",
    input: [
      { role: "user", content: "a" },
      { type: "reasoning", summary: [], encrypted_content: "SECRET1" },
      {
        type: "reasoning",
        summary: [],
        content: [{ type: "reasoning_text", text: "hm" }],
        encrypted_content: "SECRET2",
      },
      { role: "assistant", content: "b" },
      { role: "user", content: "c" },
    ],
  };
  const request = parse(body);
  expect(request.messages[1]?.parts.slice(0, 2)).toEqual([
    { type: "thinking", text: "", redacted: "SECRET1" },
    { type: "thinking", text: "hm", signature: "SECRET2" },
  ]);
  expect((toRequestBody(request).input as JsonObject[]).slice(1, 3)).toEqual(body.input.slice(1, 3) as JsonObject[]);
  expect(JSON.stringify(openaiChat.toRequestBody(request))).not.toContain("SECRET");
  expect(JSON.stringify(anthropicMessages.toRequestBody(request))).toContain('"signature":"SECRET2"');
});

const NAMESPACE = {
  type: "namespace",
  name: "multi_agent_v1",
  description: "Agents",
  tools: [
    { type: "function", name: "close_agent", parameters: { type: "object" }, strict: false },
    { type: "custom", name: "say", description: "Says" },
  ],
};

test("tools: functions, free text and namespaces reach the engine under one flat name; all others are dropped", () => {
  const tools = [
    { type: "function", name: "f", strict: true, parameters: { type: "object" } },
    { type: "function", function: { name: "nested" } },
    { type: "custom", name: "patch", format: { type: "grammar", syntax: "lark", definition: "start: x" } },
    NAMESPACE,
    { type: "web_search", external_web_access: false },
    { type: "evil\r\nx: y" },
  ];
  const request = parse({ tools });
  expect(request.tools.map((tool) => [tool.name, tool.strict])).toEqual([
    ["f", true],
    ["nested", undefined],
    ["patch", undefined],
    ["multi_agent_v1__close_agent", undefined],
    ["multi_agent_v1__say", undefined],
  ]);
  expect(request.tools[1]?.parameters).toEqual({ type: "object", properties: {} });
  expect(request.tools[2]).toMatchObject({
    description: expect.stringContaining("lark grammar:\nstart: x"),
    parameters: { required: ["input"] },
  });
  const dropped = droppedFields({ tools });
  expect(dropped).toEqual([
    "tools.patch.format",
    "tools.multi_agent_v1.description",
    "tools.web_search",
    "tools.evil__x:_y",
  ]);
});

test.each<[unknown, ChatRequest["toolChoice"] | undefined, number]>([
  ["auto", { kind: "auto" }, 3],
  ["none", { kind: "none" }, 3],
  ["required", { kind: "required" }, 3],
  [{ type: "function", name: "f" }, { kind: "tool", name: "f" }, 3],
  [{ type: "function", name: "close_agent" }, { kind: "tool", name: "multi_agent_v1__close_agent" }, 3],
  [{ type: "custom", name: "say" }, { kind: "tool", name: "multi_agent_v1__say" }, 3],
  [{ type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "f" }] }, { kind: "required" }, 1],
  [
    { type: "allowed_tools", mode: "auto", tools: [{ type: "namespace", name: "multi_agent_v1" }] },
    { kind: "auto" },
    2,
  ],
  [{ type: "allowed_tools", mode: "auto", tools: [{ type: "web_search" }] }, undefined, 0],
])("tool_choice %j", (choice, expected, count) => {
  const request = parse({ tool_choice: choice, tools: [{ type: "function", name: "f" }, NAMESPACE] });
  expect(request.toolChoice).toEqual(expected);
  expect(request.tools).toHaveLength(count);
});

test("only dropped tools are no tools: no choice among them is left over", () => {
  expect(parse({ tools: [{ type: "web_search" }], tool_choice: "auto" })).not.toHaveProperty("toolChoice");
});

test("what tunes the answer is understood", () => {
  expect(
    parse({
      max_output_tokens: 5,
      temperature: 0,
      top_p: 0.5,
      top_k: 3,
      stop: "END",
      parallel_tool_calls: false,
      text: { format: { type: "json_object" } },
      reasoning: { effort: "low", summary: "auto" },
      include: ["message.output_text.logprobs"],
      top_logprobs: 2,
      safety_identifier: "u",
      prompt_cache_key: "c",
      stream: true,
    }),
  ).toMatchObject({
    maxOutputTokens: 5,
    sampling: { temperature: 0, topP: 0.5, topK: 3 },
    stop: ["END"],
    parallelToolCalls: false,
    output: { kind: "json" },
    thinking: { enabled: true, effort: "low", display: "shown" },
    logprobs: { top: 2 },
    user: "u",
    cacheKey: "c",
    stream: true,
    includeUsage: true,
  });
  expect(parse({ reasoning: { effort: "none" } }).thinking).toEqual({ enabled: false });
});

test("a body for an engine keeps nothing there, and names what the vendor has no word for", () => {
  const request = parse({ top_k: 3, stop: ["x"], reasoning: { effort: "max" } });
  expect(toRequestBody(request)).toMatchObject({
    store: false,
    include: ["reasoning.encrypted_content"],
    reasoning: { effort: "xhigh" },
  });
  expect(untranslatable(request)).toEqual(["stop", "topK"]);
});

test("an error result says so in its text, with pictures too", () => {
  const result = (content: object[]): JsonObject[] =>
    toRequestBody({
      ...parse({}),
      messages: [
        { role: "tool", parts: [{ type: "tool_result", callId: "c", content: content as never, isError: true }] },
      ],
    }).input as JsonObject[];
  expect(result([{ type: "text", text: "no" }])[0]?.output).toBe("Error: no");
  expect(result([])[0]?.output).toBe("Error: ");
  expect(result([{ type: "image", source: { kind: "url", url: "u" } }])[0]?.output).toEqual([
    { type: "input_text", text: "Error: " },
    { type: "input_image", image_url: "u" },
  ]);
});

test("a body of any shape is refused or understood, never a throw", () => {
  for (const body of [null, 5, "x", [], {}, { model: "m", input: 5 }, { model: "m", input: [null, 1] }]) {
    expect(parseRequest(body)).toMatchObject({ ok: false, error: { kind: "invalid_request" } });
  }
});
