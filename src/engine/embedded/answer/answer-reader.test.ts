import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat-request.ts";
import type { AnswerPart } from "../../../dialect/tool-text/answer-part.ts";
import { AnswerReader } from "./answer-reader.ts";
import type { ToolSyntax } from "../../../core/replica.ts";
import { toolSyntaxOf } from "../../../dialect/tool-text/tool-syntax.ts";
import { thinkingTagsOf } from "./thinking.ts";

const TOOLS = new Map<string, JsonObject>([
  ["get_time", { type: "object", properties: { zone: { type: "string" } } }],
  ["add", { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" }, note: { type: "string" } } }],
]);

interface Read {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly { readonly name: string; readonly json: string; readonly whole: boolean | null }[];
}

function read(
  pieces: readonly string[],
  syntax: ToolSyntax | null,
  opened: boolean | null = null,
  parallel = true,
): Read {
  const tags = { open: "<think>", close: "</think>" };
  const reader = new AnswerReader({
    harmony: syntax === "harmony" ? { opened: opened ?? false } : null,
    thinking: opened === null ? null : { tags, opened },
    calls: syntax === null ? null : { syntax, tools: TOOLS, parallel },
  });
  const parts: AnswerPart[] = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
  const calls: { name: string; json: string; whole: boolean | null }[] = [];
  let text = "";
  let thinking = "";
  for (const part of parts) {
    if (part.type === "text") text += part.text;
    else if (part.type === "thinking") thinking += part.text;
    else if (part.type === "tool_call") calls.push({ name: part.name, json: "", whole: null });
    else if (part.type === "tool_arguments") (calls[part.index] ?? { json: "" }).json += part.json;
    else (calls[part.index] ?? { whole: null }).whole = part.whole;
    if (part.type !== "tool_call" && part.type !== "tool_call_end") {
      expect("text" in part ? part.text : part.json).not.toBe("");
    }
  }
  return { text, thinking, calls };
}

/** Whole, character by character, and cut at every place: the same comes out. */
function readEveryWay(text: string, syntax: ToolSyntax | null, opened: boolean | null = null, parallel = true): Read {
  const whole = read([text], syntax, opened, parallel);
  expect(read(Array.from(text), syntax, opened, parallel)).toEqual(whole);
  for (let at = 1; at < text.length; at++) {
    expect(read([text.slice(0, at), text.slice(at)], syntax, opened, parallel)).toEqual(whole);
  }
  return whole;
}

const time = (json: string) => ({ name: "get_time", json, whole: true });

test("what closes the only call that is wanted is no text", () => {
  const text = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>';
  expect(readEveryWay(text, "hermes", null, false)).toEqual({ text: "", thinking: "", calls: [time("{}")] });
});

describe("a tool call is found in the form of", () => {
  const CASES: readonly [string, ToolSyntax, string][] = [
    ["hermes", "hermes", '<tool_call>\n{"name": "get_time", "arguments": {"zone": "a}\\"</tool_call>"}}\n</tool_call>'],
    [
      "hermes with members in another order",
      "hermes",
      '<tool_call>{"arguments": {"zone": "UTC"}, "name": "get_time"}</tool_call>',
    ],
    [
      "hermes with arguments as text",
      "hermes",
      '<tool_call>{"name": "get_time", "arguments": "{\\"zone\\": \\"UTC\\"}"}</tool_call>',
    ],
    ["hermes without its end", "hermes", '<tool_call>\n{"name": "get_time", "arguments": {"zone": "UTC"}}'],
    ["a function tag", "function", '<function=get_time>{"zone": "UTC"}</function>'],
    [
      "parameter tags",
      "xml",
      "<tool_call>\n<function=get_time>\n<parameter=zone>\nUTC\n</parameter>\n</function>\n</tool_call>",
    ],
    ["parameter tags alone", "xml", "<function=get_time>\n<parameter=zone>\nUTC\n</parameter>\n</function>"],
    ["mistral", "mistral", '[TOOL_CALLS][{"name": "get_time", "arguments": {"zone": "UTC"}}]'],
    ["mistral with [ARGS]", "mistral-args", '[TOOL_CALLS]get_time[ARGS]{"zone": "UTC"}'],
    ["mistral with an id", "mistral-args", '[TOOL_CALLS]get_time[CALL_ID]a1[ARGS]{"zone": "UTC"}'],
    ["llama", "llama", '{"name": "get_time", "parameters": {"zone": "UTC"}}'],
    [
      "llama with its tag",
      "llama",
      '<|python_tag|>{"type": "function", "name": "get_time", "parameters": {"zone": "UTC"}}',
    ],
  ];
  for (const [name, syntax, text] of CASES) {
    test(name, () => {
      const { text: rest, calls } = readEveryWay(text, syntax);
      expect(rest).toBe("");
      expect(calls).toHaveLength(1);
      expect(calls[0]).toMatchObject({ name: "get_time", whole: true });
      expect(Object.keys(JSON.parse(calls[0]?.json ?? "") as object)).toEqual(["zone"]);
    });
  }
});

describe("several calls in a row are found in the form of", () => {
  const one =
    (open: string, close: string, key = "arguments") =>
    (zone: string) =>
      `${open}{"name": "get_time", "${key}": {"zone": "${zone}"}}${close}`;
  const hermes = one("<tool_call>\n", "\n</tool_call>");
  const CASES: readonly [ToolSyntax, string][] = [
    ["hermes", `${hermes("a")}\n${hermes("b")}`],
    ["function", '<function=get_time>{"zone":"a"}</function>\n<function=get_time>{"zone":"b"}</function>'],
    ["mistral", `[TOOL_CALLS][${one("", "")("a")}, ${one("", "")("b")}]`],
    ["mistral-args", '[TOOL_CALLS]get_time[ARGS]{"zone":"a"}[TOOL_CALLS]get_time[ARGS]{"zone":"b"}'],
    ["llama", `${one("", "", "parameters")("a")}; ${one("", "", "parameters")("b")}`],
  ];
  for (const [syntax, text] of CASES) {
    test(syntax, () => {
      const { text: rest, calls } = readEveryWay(text, syntax);
      expect(rest).toBe("");
      expect(calls.map(({ json }) => (JSON.parse(json) as { zone: string }).zone)).toEqual(["a", "b"]);
      expect(readEveryWay(text, syntax, null, false).calls).toHaveLength(1);
    });
  }
});

describe("text", () => {
  test("before and after a call is content, the white space of the form is not", () => {
    const call = '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>';
    expect(readEveryWay(`I look.\n\n${call}\nThere.\n`, "hermes")).toEqual({
      text: "I look.There.\n",
      thinking: "",
      calls: [time("{}")],
    });
  });

  for (const text of [
    "a < b and <tool> and <tool_cal",
    "<tool_call>not a call</tool_call> more",
    '<tool_call>{"name": "get_time", "arguments',
    '<tool_call>{"no": "name"}</tool_call>',
    "<tool_call>",
    "see:\n <tool_call> that",
    '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
    "  \n ",
    "ends with space \n",
  ]) {
    test(`that is no call is given back whole: ${JSON.stringify(text)}`, () => {
      expect(readEveryWay(text, "hermes")).toEqual({ text, thinking: "", calls: [] });
    });
  }

  test("that is JSON but calls no declared tool is an answer", () => {
    for (const text of ['{"answer": 42}', '{"name": "nobody", "parameters": {}}', '{"name": "get_time"', "[1, 2]"]) {
      expect(readEveryWay(text, "llama")).toEqual({ text, thinking: "", calls: [] });
    }
    const behind = 'So: {"name": "get_time", "parameters": {}}';
    expect(readEveryWay(behind, "llama")).toEqual({ text: behind, thinking: "", calls: [] });
  });

  test("of a call that is wrong does not hide the one behind it", () => {
    const good = '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>';
    expect(readEveryWay(`<tool_call>oops${good}`, "hermes")).toEqual({
      text: "<tool_call>oops",
      thinking: "",
      calls: [time("{}")],
    });
  });
});

test("arguments come as they are written, and a call that is cut off says so", () => {
  const text = '<tool_call>{"name": "get_time", "arguments": {"zone": "Eur';
  const reader = new AnswerReader({
    harmony: null,
    thinking: null,
    calls: { syntax: "hermes", tools: TOOLS, parallel: true },
  });
  const pieces = Array.from(text)
    .flatMap((piece) => reader.push(piece))
    .map((part) => part.type);
  expect(pieces.filter((type) => type === "tool_arguments").length).toBeGreaterThan(10);
  expect(reader.end()).toEqual([{ type: "tool_call_end", index: 0, whole: false, raw: text }]);
  expect(readEveryWay(text, "hermes").calls).toEqual([{ name: "get_time", json: '{"zone": "Eur', whole: false }]);
});

test("a call whose arguments stop being JSON ends there, and what follows is text", () => {
  const { calls, text } = readEveryWay(
    '<tool_call>{"name": "get_time", "arguments": {"zone": UTC}}</tool_call>',
    "hermes",
  );
  expect(calls).toMatchObject([{ name: "get_time", whole: false }]);
  expect(text).toStartWith("UTC");
});

test("parameter tags become JSON by the tool's schema", () => {
  const { calls } = readEveryWay(
    "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n-2\n</parameter>\n" +
      "<parameter=note>\n3\nlines</parameter>\n</function>\n</tool_call>",
    "xml",
  );
  expect(JSON.parse(calls[0]?.json ?? "")).toEqual({ a: 1, b: -2, note: "3\nlines" });
});

describe("thinking", () => {
  test("is told from the answer, without the white space around it", () => {
    const expected = { text: "Yes.\n", thinking: "I\n wonder.", calls: [] };
    expect(readEveryWay("<think>\nI\n wonder.\n</think>\n\nYes.\n", null, false)).toEqual(expected);
    expect(readEveryWay("\nI\n wonder.\n</think>\n\nYes.\n", null, true)).toEqual(expected);
  });

  test("that never ends is all there is", () => {
    expect(readEveryWay("<think>for ever and </thin", null, false)).toEqual({
      text: "",
      thinking: "for ever and </thin",
      calls: [],
    });
  });

  test("that is empty gives nothing, and tags later in the answer are text", () => {
    expect(readEveryWay("<think>\n\n</think>\n\nA <think> tag.", null, false)).toEqual({
      text: "A <think> tag.",
      thinking: "",
      calls: [],
    });
  });

  test("comes before calls", () => {
    const text = '<think>time?</think>\n<tool_call>{"name": "get_time", "arguments": {}}</tool_call>';
    expect(readEveryWay(text, "hermes", false)).toEqual({ text: "", thinking: "time?", calls: [time("{}")] });
  });
});

describe("messages in channels", () => {
  const thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant";

  test("are told apart: thinking, text and calls", () => {
    expect(readEveryWay(`${thought}<|channel|>final<|message|>Yes <b>.`, "harmony")).toEqual({
      text: "Yes <b>.",
      thinking: "Hm.",
      calls: [],
    });
    for (const header of [
      "<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>",
      " to=functions.get_time<|channel|>commentary json<|message|>",
    ]) {
      expect(readEveryWay(`${thought}${header}{"zone":"UTC"}`, "harmony")).toEqual({
        text: "",
        thinking: "Hm.",
        calls: [time('{"zone":"UTC"}')],
      });
    }
  });

  test("that were begun by the prompt, or have no header, are read all the same", () => {
    expect(readEveryWay("Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes", "harmony", true)).toMatchObject({
      text: "Yes",
      thinking: "Hm.",
    });
    expect(readEveryWay("Just so", "harmony")).toMatchObject({ text: "Just so", thinking: "" });
  });

  test("cut off amid a call say so", () => {
    const { calls } = readEveryWay('<|channel|>commentary to=functions.add<|message|>{"a": 1', "harmony");
    expect(calls).toEqual([{ name: "add", json: '{"a": 1', whole: false }]);
  });
});

test("the template's text tells the form", () => {
  expect(toolSyntaxOf('… <tool_call>\n{"name": <function-name>, "arguments": …}')).toBe("hermes");
  expect(toolSyntaxOf("<tool_call>\n<function=example>\n<parameter=one>")).toBe("xml");
  expect(toolSyntaxOf('<function=example_function_name>{{"example_name"')).toBe("function");
  expect(toolSyntaxOf('{{- "[TOOL_CALLS] [" }}')).toBe("mistral");
  expect(toolSyntaxOf("[TOOL_CALLS]' + name + '[ARGS]'")).toBe("mistral-args");
  expect(toolSyntaxOf('{"name": function name, "parameters": dictionary}')).toBe("llama");
  expect(toolSyntaxOf("{{ message.content }}")).toBeNull();
  expect(thinkingTagsOf("content.split('</think>')")).toEqual({ open: "<think>", close: "</think>" });
  expect(thinkingTagsOf("{{ message.content }}")).toBeNull();
});
