import { expect, test } from "bun:test";
import type { ChatRequest } from "../../core/chat-request.ts";
import { ignored, parseRequest } from "./request.ts";

// What a conversation holds that began at the vendor, or that Claude Code says of tools and effort on the way.

const user = (content: unknown) => ({ role: "user", content });
const system = (...content: object[]) => ({ role: "system", content });
const tool = (name: string) => ({ name, input_schema: { type: "object" } });
const addition = (change: object) => ({ type: "tool_addition", tool: change });
const removal = (change: object) => ({ type: "tool_removal", tool: change });
const reference = (name: string) => ({ type: "tool_reference", name });

function parsed(body: object): ChatRequest {
  const result = parseRequest({ model: "m", max_tokens: 9, ...body });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

test("tools that are added and taken away in the middle of a conversation are those that the model may call", () => {
  const { tools, messages } = parsed({
    tools: [tool("read"), tool("write")],
    messages: [
      user("hi"),
      system(addition({ type: "tool_definition", definition: { ...tool("search"), description: "finds" } })),
      system(removal(reference("write")), removal(reference("read")), { type: "text", text: "and so on" }),
      system(addition(reference("read"))),
    ],
  });
  expect(tools.map(({ name }) => name)).toEqual(["read", "search"]);
  expect(tools[1]).toEqual({ name: "search", description: "finds", parameters: { type: "object" } });
  const said = messages.filter(({ role }) => role === "system").flatMap(({ parts }) => parts);
  expect(said.map((part) => (part.type === "text" ? part.text : part.type))).toEqual([
    "The tool search can be called now.",
    "The tool write can no longer be called.",
    "The tool read can no longer be called.",
    "and so on",
    "The tool read can be called now.",
  ]);
});

test("a definition that is sent again replaces the first one, in its place", () => {
  const again = { ...tool("a"), description: "new" };
  const { tools } = parsed({
    tools: [tool("a"), tool("b")],
    messages: [user("hi"), system(addition({ type: "tool_definition", definition: again }))],
  });
  expect(tools.map(({ name, description }) => [name, description])).toEqual([
    ["a", "new"],
    ["b", undefined],
  ]);
});

test("a system message that only changes the effort says nothing to the model", () => {
  const messages = [user("hi"), { role: "system", output_config: { effort: "low" } }];
  expect(parsed({ messages }).messages).toEqual(parsed({ messages: [user("hi")] }).messages);
});

test("a reminder for one turn is not shown any more when the user has spoken again", () => {
  const once = { role: "system", content: "the plan is open", clear_at: "next_user_message" };
  const said = (messages: object[]): string => JSON.stringify(parsed({ messages }).messages);
  expect(said([user("hi"), once])).toContain("the plan is open");
  expect(said([user("hi"), once, { role: "assistant", content: "ok" }])).toContain("the plan is open");
  expect(said([user("hi"), once, { role: "assistant", content: "ok" }, user("go on")])).not.toContain("the plan");
});

test("what a vendor's tools did is left out, and said to be; the answer that followed stays", () => {
  const body = {
    tools: [{ type: "mcp_toolset", mcp_server_name: "wiki" }, tool("read")],
    messages: [
      user("what is new?"),
      {
        role: "assistant",
        content: [
          { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "news" } },
          { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] },
          { type: "text", text: "This and that." },
        ],
      },
      user("go on"),
      { role: "assistant", content: [{ type: "mcp_tool_use", id: "m", name: "n", server_name: "wiki", input: {} }] },
      user([
        { type: "mcp_tool_result", tool_use_id: "m", content: [], is_error: false },
        { type: "text", text: "and?" },
      ]),
    ],
  };
  const { messages, tools } = parsed(body);
  expect(tools.map(({ name }) => name)).toEqual(["read"]);
  expect(messages.map(({ role, parts }) => [role, parts.length])).toEqual([
    ["user", 1],
    ["assistant", 1],
    ["user", 1],
    ["user", 1],
  ]);
  expect(ignored({ model: "m", ...body })).toEqual([
    "ignored tools.mcp_toolset",
    "ignored messages.server_tool_use",
    "ignored messages.web_search_tool_result",
    "ignored messages.mcp_tool_use",
    "ignored messages.mcp_tool_result",
  ]);
});

test("a summary of what the vendor cut off is text; one that only the vendor can read is left out by name", () => {
  const compacted = (content: string | null) => ({
    messages: [user("hi"), { role: "assistant", content: [{ type: "compaction", content }] }, user("go on")],
  });
  expect(parsed(compacted("so far: nothing")).messages[1]).toEqual({
    role: "assistant",
    parts: [{ type: "text", text: "so far: nothing" }],
  });
  expect(parsed(compacted(null)).messages.map(({ role }) => role)).toEqual(["user", "user"]);
  expect([ignored(compacted("so far")), ignored(compacted(null))]).toEqual([[], ["ignored messages.compaction"]]);
});

test("thinking between tools is thinking", () => {
  const body = { messages: [user("hi")], thinking: { type: "between_tools" } };
  expect(parsed(body).thinking).toEqual({ enabled: true });
  expect(ignored(body)).toEqual(["ignored thinking.between_tools"]);
});

test.each([{ type: "custom" }, { input_schema: { type: "object" } }])("a tool without a name is refused: %j", (one) => {
  expect(parseRequest({ model: "m", messages: [user("hi")], tools: [one] })).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", field: "tools[0].name", message: "tools[0].name: this field is missing" },
  });
});

const SEARCH = { type: "web_search_20250305", name: "web_search", max_uses: 8 };

test.each([
  [{ tools: [SEARCH], tool_choice: { type: "tool", name: "web_search" } }],
  [{ tools: [SEARCH], tool_choice: { type: "any" } }],
  [{ tools: [tool("read"), SEARCH], tool_choice: { type: "tool", name: "web_search" } }],
])("a tool that must be called and cannot is refused, not made up: %j", (body) => {
  expect(parseRequest({ model: "m", messages: [user("search for it")], ...body })).toMatchObject({
    ok: false,
    error: {
      kind: "unsupported",
      capability: "tool_choice",
      message: expect.stringContaining("cannot be called here"),
    },
  });
});

test("a tool that may be called is left out where it is the vendor's, and the request goes on", () => {
  expect(parsed({ messages: [user("hi")], tools: [SEARCH], tool_choice: { type: "auto" } }).tools).toEqual([]);
  const body = { messages: [user("hi")], tools: [tool("read"), SEARCH], tool_choice: { type: "any" } };
  expect(parsed(body).toolChoice).toEqual({ kind: "required" });
});
