import { expect, test } from "bun:test";
import type { ChatRequest, Message } from "../../core/chat-request.ts";
import { openaiChat } from "../openai-chat/dialect.ts";
import { parseRequest, toRequestBody, untranslatable } from "./request.ts";
import { LOCAL_SIGNATURE } from "./signature.ts";

const HI = [{ role: "user", content: "hi" }];

function parsed(body: object): ChatRequest {
  const result = parseRequest({ model: "m", max_tokens: 9, messages: HI, ...body });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

test.each<[object, string]>([
  [
    { messages: [{ role: "user", content: [{ type: "text", text: "a" }, { type: "video" }] }] },
    "messages[0].content[1].type",
  ],
  [
    { messages: [{ role: "user", content: [{ type: "image", source: { type: "file", file_id: "f" } }] }] },
    "messages[0].content[0].source.type",
  ],
  [
    { messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "1", content: [{ type: "text" }] }] }] },
    "messages[0].content[0].content[0].text",
  ],
  [{ messages: [{ role: "tool", content: "a" }] }, "messages[0].role"],
  [
    { messages: [{ role: "assistant", content: [{ type: "tool_use", id: "1", name: "f", input: "{}" }] }] },
    "messages[0].content[0].input",
  ],
  [{ max_tokens: "many" }, "max_tokens"],
  [{ tool_choice: { type: "some" } }, "tool_choice.type"],
  [{ thinking: { type: "sometimes" } }, "thinking.type"],
  [{ system: [{ type: "image" }] }, "system[0].type"],
])("a wrong field is refused by its path: %#", (body, field) => {
  const result = parseRequest({ model: "m", messages: HI, ...body });
  expect(result).toMatchObject({ ok: false, error: { kind: "invalid_request", field } });
});

test.each([{ type: "create" }, { type: "continue", previous_message_id: "msg_1" }])(
  "a thread is refused: %j",
  (thread) => {
    expect(parseRequest({ model: "m", messages: HI, thread })).toMatchObject({
      ok: false,
      error: { kind: "unsupported", capability: "message threads" },
    });
  },
);

test("hints for the vendor are passed over, never refused", () => {
  const hints = {
    cache_control: { type: "ephemeral" },
    context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    output_config: { effort: "medium" },
    service_tier: "auto",
    safeguards: [{}],
    container: "c",
    some_beta: true,
  };
  expect(parsed(hints)).toEqual(parsed({}));
});

test("results come first and the text beside them follows, in one user message or many", () => {
  const { messages } = parsed({
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "before" },
          { type: "tool_result", tool_use_id: "a", is_error: true, content: "no" },
          { type: "tool_result", tool_use_id: "b" },
          { type: "text", text: "after" },
        ],
      },
      { role: "user", content: "more" },
    ],
  });
  expect(messages).toEqual([
    {
      role: "tool",
      parts: [
        { type: "tool_result", callId: "a", content: [{ type: "text", text: "no" }], isError: true },
        { type: "tool_result", callId: "b", content: [], isError: false },
      ],
    },
    {
      role: "user",
      parts: [
        { type: "text", text: "before" },
        { type: "text", text: "after" },
      ],
    },
    { role: "user", parts: [{ type: "text", text: "more" }] },
  ]);
});

test("tools of the vendor and the placeholder are left out; custom ones stay", () => {
  const { tools } = parsed({
    tools: [
      { type: "web_search_20250305", name: "web_search", max_uses: 5 },
      { name: "DeferredToolPlaceholder", input_schema: { type: "object" }, defer_loading: true },
      { type: "custom", name: "a", input_schema: { type: "object" }, cache_control: {} },
      { name: "b" },
    ],
  });
  expect(tools).toEqual([
    { name: "a", parameters: { type: "object" } },
    { name: "b", parameters: { type: "object", properties: {} } },
  ]);
});

test("other kinds of blocks become text or documents", () => {
  const { messages } = parsed({
    messages: [
      {
        role: "user",
        content: [
          {
            type: "document",
            source: {
              type: "content",
              content: [
                { type: "text", text: "a" },
                { type: "text", text: "b" },
              ],
            },
          },
          { type: "search_result", title: "T", source: "u", content: [{ type: "text", text: "c" }] },
          { type: "tool_result", tool_use_id: "x", content: [{ type: "tool_reference", tool_name: "Grep" }] },
        ],
      },
    ],
  });
  expect(messages).toMatchObject([
    { role: "tool", parts: [{ content: [{ type: "text", text: "The tool Grep can be called now." }] }] },
    {
      role: "user",
      parts: [
        { type: "document", source: { kind: "text", text: "a\nb" } },
        { type: "document", source: { kind: "text", text: "c" }, title: "T (u)" },
      ],
    },
  ]);
});

test("the stand-in signature is taken off, and unsigned thinking never goes to the vendor", () => {
  const thinking = (signature: string) => ({ type: "thinking", thinking: "hm", signature });
  const { messages } = parsed({
    messages: [
      ...HI,
      {
        role: "assistant",
        content: [
          thinking(LOCAL_SIGNATURE),
          thinking("real"),
          { type: "redacted_thinking", data: "x" },
          { type: "text", text: "a" },
        ],
      },
    ],
  });
  expect(messages[1]?.parts.slice(0, 3)).toEqual([
    { type: "thinking", text: "hm" },
    { type: "thinking", text: "hm", signature: "real" },
    { type: "thinking", text: "", redacted: "x" },
  ]);
  expect(toRequestBody({ ...parsed({}), messages }).messages).toMatchObject([
    { role: "user" },
    { role: "assistant", content: [thinking("real"), { type: "redacted_thinking", data: "x" }, { type: "text" }] },
  ]);
});

test("results of several tool messages go into one user message, with ids that Anthropic takes", () => {
  const result = (callId: string): Message => ({
    role: "tool",
    parts: [{ type: "tool_result", callId, content: [{ type: "text", text: "r" }], isError: false }],
  });
  const messages: Message[] = [
    { role: "system", parts: [{ type: "text", text: "s" }] },
    { role: "assistant", parts: [{ type: "tool_call", id: "call:1", name: "f", arguments: "not json" }] },
    result("call:1"),
    result("b"),
    { role: "system", parts: [{ type: "text", text: "later" }] },
  ];
  expect(toRequestBody({ ...parsed({}), messages })).toMatchObject({
    system: [{ type: "text", text: "s" }],
    messages: [
      { role: "assistant", content: [{ type: "tool_use", id: "call_1", input: { unparsed_arguments: "not json" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1" }, { tool_use_id: "b" }] },
      { role: "system", content: [{ type: "text", text: "later" }] },
    ],
  });
});

test("what an Anthropic body cannot say is named", () => {
  const sampling = { seed: 1, minP: 0.1, temperature: 1 };
  expect(untranslatable({ ...parsed({}), sampling, logprobs: { top: 0 } })).toEqual(["minP", "seed", "logprobs"]);
});

test("a Claude Code turn reaches an OpenAI engine with results behind their call and thinking as an effort", () => {
  const request = parsed({
    stream: true,
    thinking: { type: "adaptive", display: "omitted" },
    output_config: { effort: "max" },
    tools: [{ name: "Read", input_schema: { type: "object" } }],
    tool_choice: { type: "any", disable_parallel_tool_use: true },
    messages: [
      ...HI,
      { role: "system", content: "# Environment" },
      { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "Read", input: { a: 1 } }] },
      {
        role: "user",
        content: [
          { type: "text", text: "go on" },
          { type: "tool_result", tool_use_id: "t1", content: "x" },
        ],
      },
    ],
  });
  expect(request.thinking).toEqual({ enabled: true, effort: "max", display: "omitted" });
  expect(openaiChat.toRequestBody(request)).toMatchObject({
    tool_choice: "required",
    parallel_tool_calls: false,
    reasoning_effort: "xhigh",
    max_tokens: 9,
    messages: [
      { role: "user", content: "hi" },
      { role: "system", content: "# Environment" },
      { role: "assistant", tool_calls: [{ id: "t1", function: { name: "Read", arguments: '{"a":1}' } }] },
      { role: "tool", tool_call_id: "t1", content: "x" },
      { role: "user", content: "go on" },
    ],
  });
});
