import { expect, test } from "bun:test";
import type { ChatEvent } from "../../core/chat-event.ts";
import type { ChatRequest, JsonObject } from "../../core/chat-request.ts";
import type { AnswerMeta } from "../answer-meta.ts";
import { parseRequest } from "./request.ts";
import { droppedFields, echoOf } from "./request-fields.ts";
import { toResponseBody } from "./response.ts";
import { encoder } from "./stream.ts";

// Items that Codex puts into a conversation beside messages and calls of functions.

const HI = { type: "message", role: "user", content: [{ type: "input_text", text: "hi" }] };
const fn = (name: string) => ({ type: "function", name, parameters: { type: "object" } });
const additional = (...tools: object[]) => ({ type: "additional_tools", role: "developer", tools });
const SEARCH = {
  type: "tool_search",
  execution: "client",
  description: "finds tools",
  parameters: { type: "object", properties: { query: { type: "string" } } },
};
const found = (...tools: object[]) => ({
  type: "tool_search_output",
  call_id: "call_1",
  execution: "client",
  status: "completed",
  tools,
});

function parse(more: object): ChatRequest {
  const request = parseRequest({ model: "m", input: [HI], ...more });
  if (!request.ok) throw new Error(JSON.stringify(request.error));
  return request.value;
}

function meta(body: object): AnswerMeta {
  return { id: "resp_1", model: "m", createdAt: 0, includeUsage: true, promptTokensEstimate: 1, echo: echoOf(body) };
}

const CALL: ChatEvent[] = [
  { type: "tool_call", index: 0, id: "call_1", name: "functions__exec" },
  { type: "tool_arguments", index: 0, json: '{"input":"ls"}' },
  { type: "done", reason: "tool_calls" },
];

function stream(body: object, events: readonly ChatEvent[]): JsonObject[] {
  const written = encoder(meta(body));
  const text = events.map((event) => written.encode(event)).join("");
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, json = ""]) => JSON.parse(json) as JsonObject);
}

test("tools that stand among the items may be called, and are called by their own names", () => {
  const exec = { type: "custom", name: "exec", description: "runs" };
  const body = {
    tools: [fn("a")],
    input: [additional({ type: "namespace", name: "functions", tools: [exec] }, fn("b")), HI],
  };
  expect(parse(body).tools.map(({ name }) => name)).toEqual(["a", "functions__exec", "b"]);
  expect(parse(body).messages).toEqual(parse({}).messages);
  expect(droppedFields(body)).toEqual([]);
  const done = stream(body, CALL).find(({ type }) => type === "response.output_item.done");
  expect(done?.item).toMatchObject({ type: "custom_tool_call", name: "exec", namespace: "functions", input: "ls" });
});

test("a tool that is given again is the same tool; what runs at the vendor is left out by name", () => {
  const space = { type: "namespace", name: "n", tools: [fn("x")] };
  const body = { tools: [space, fn("a")], input: [additional(space, fn("a"), { type: "web_search" }), HI] };
  expect(parse(body).tools.map(({ name }) => name)).toEqual(["n__x", "a"]);
  expect(droppedFields(body)).toEqual(["tools.web_search"]);
  const done = stream(body, [
    { type: "tool_call", index: 0, id: "c", name: "n__x" },
    { type: "done", reason: "stop" },
  ]);
  expect(done.find(({ type }) => type === "response.output_item.done")?.item).toMatchObject({
    name: "x",
    namespace: "n",
  });
});

test("a wrong tool among the items is refused by its path", () => {
  expect(parseRequest({ model: "m", input: [HI, additional({ type: "function" })] })).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", field: "input[1].tools[0].name" },
  });
});

test("the client's search for tools is a tool, its call an item of its own, and what it found can be called", () => {
  const first = { tools: [SEARCH] };
  expect(parse(first).tools).toEqual([
    { name: "tool_search", description: "finds tools", parameters: SEARCH.parameters },
  ]);
  const events = stream(first, [
    { type: "tool_call", index: 0, id: "call_1", name: "tool_search" },
    { type: "tool_arguments", index: 0, json: '{"query":"mail"}' },
    { type: "done", reason: "tool_calls" },
  ]);
  const call = { type: "tool_search_call", call_id: "call_1", execution: "client", arguments: { query: "mail" } };
  expect(events.map(({ type }) => type)).toEqual([
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.completed",
  ]);
  expect(events.at(-2)?.item).toMatchObject({ ...call, status: "completed" });
  const second = {
    tools: [SEARCH],
    input: [HI, { ...call, status: "completed" }, found({ type: "namespace", name: "mail", tools: [fn("send")] })],
  };
  expect(parse(second).tools.map(({ name }) => name)).toEqual(["tool_search", "mail__send"]);
  expect(parse(second).messages.slice(1)).toEqual([
    {
      role: "assistant",
      parts: [{ type: "tool_call", id: "call_1", name: "tool_search", arguments: '{"query":"mail"}' }],
    },
    {
      role: "tool",
      parts: [
        {
          type: "tool_result",
          callId: "call_1",
          content: [{ type: "text", text: "Can be called now: mail" }],
          isError: false,
        },
      ],
    },
  ]);
});

test("a whole answer has the same item for a search", () => {
  const body = toResponseBody(
    {
      text: "",
      thinking: "",
      refusal: "",
      logprobs: [],
      toolCalls: [{ type: "tool_call", id: "call_1", name: "tool_search", arguments: '{"query":"x"}' }],
      reason: "tool_calls",
      usage: { promptTokens: 1, completionTokens: 1, cachedTokens: 0 },
    },
    meta({ tools: [SEARCH] }),
  );
  expect((body.output as JsonObject[])[0]).toMatchObject({ type: "tool_search_call", arguments: { query: "x" } });
});

test("a search that the vendor does itself is left out, and said to be", () => {
  const body = { tools: [{ type: "tool_search" }, fn("a")] };
  expect(parse(body).tools.map(({ name }) => name)).toEqual(["a"]);
  expect(droppedFields(body)).toEqual(["tools.tool_search"]);
});

test("what one agent says to another is said to the model", () => {
  const said = (content: object[]) => ({
    input: [HI, { type: "agent_message", author: "/root/worker", recipient: "/root", content }],
  });
  expect(parse(said([{ type: "input_text", text: "done" }])).messages.at(-1)).toEqual({
    role: "user",
    parts: [{ type: "text", text: "Message from /root/worker:\ndone" }],
  });
  const secret = said([{ type: "encrypted_content", encrypted_content: "x" }]);
  expect(parse(secret).messages).toHaveLength(1);
  expect(droppedFields(secret)).toEqual(["input.agent_message"]);
});

test("calls of a vendor's tools that the client ran are calls with their results", () => {
  const input = [
    HI,
    { type: "local_shell_call", call_id: "c1", status: "completed", action: { type: "exec", command: ["ls"] } },
    { type: "function_call_output", call_id: "c1", output: "a.txt" },
    { type: "shell_call", call_id: "c2", action: { commands: ["pwd"] } },
    {
      type: "shell_call_output",
      call_id: "c2",
      output: [{ stdout: "/", stderr: "", outcome: { type: "exit", exit_code: 0 } }],
    },
  ];
  const { messages } = parse({ input });
  expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant", "tool"]);
  expect(messages[1]?.parts[0]).toMatchObject({
    id: "c1",
    name: "local_shell",
    arguments: expect.stringContaining("ls"),
  });
  expect(JSON.stringify(messages[4])).toContain("stdout");
});

test("to compact a conversation is refused, instead of answering something else", () => {
  expect(parseRequest({ model: "m", input: [HI, { type: "compaction_trigger" }] })).toMatchObject({
    ok: false,
    error: { kind: "unsupported", capability: "compaction_trigger" },
  });
});

test.each(["compaction", "configuration_update", "web_search_call", "a_kind_of_tomorrow"])(
  "an item that no engine could read is left out, and said to be: %s",
  (type) => {
    const body = { input: [HI, { type, encrypted_content: "x", role: "developer" }] };
    expect(parse(body).messages).toEqual(parse({}).messages);
    expect(droppedFields(body)).toEqual([`input.${type}`]);
  },
);

test("a message whose type is misspelt is refused, not left out", () => {
  expect(parseRequest({ model: "m", input: [{ ...HI, type: "mesage" }] })).toMatchObject({
    ok: false,
    error: { field: "input[0].type" },
  });
});
