import { expect, test } from "bun:test";
import { inputItems, referencedItems, withHistory } from "./history.ts";
import { parseRequest } from "./request.ts";
import { droppedFields, echoOf, readStoreFields } from "./request-fields.ts";

const NAMESPACE = { type: "namespace", name: "ns", tools: [{ type: "function", name: "close" }] };

test("store fields and dropped fields are read from any body", () => {
  expect(readStoreFields({})).toEqual({ store: true, previousResponseId: null });
  expect(readStoreFields({ store: false, previous_response_id: "r" })).toEqual({
    store: false,
    previousResponseId: "r",
  });
  expect(readStoreFields("x")).toEqual({ store: true, previousResponseId: null });
  expect(droppedFields(5)).toEqual([]);
  expect(
    droppedFields({
      truncation: "auto",
      text: { verbosity: "low" },
      context_management: [],
      moderation: null,
      input: [{ type: "web_search_call" }, { type: "web_search_call" }, 5],
    }),
  ).toEqual(["input.web_search_call", "text.verbosity", "truncation", "context_management"]);
});

test("the echo repeats what was asked, with OpenAI's defaults and without tools that are not there", () => {
  expect(echoOf({})).toMatchObject({
    instructions: null,
    tools: [],
    tool_choice: "auto",
    parallel_tool_calls: true,
    store: true,
    truncation: "disabled",
    text: { format: { type: "text" } },
    metadata: {},
    previous_response_id: null,
  });
  expect(
    echoOf({
      tools: [{ type: "web_search" }, NAMESPACE],
      truncation: "auto",
      text: { verbosity: "low" },
      reasoning: { effort: "low" },
      store: false,
    }),
  ).toMatchObject({
    tools: [NAMESPACE],
    truncation: "disabled",
    text: { format: { type: "text" }, verbosity: "low" },
    reasoning: { effort: "low", summary: null },
    store: false,
  });
});

test("kept history goes in front, and references become the items that they mean", () => {
  const history = [{ role: "user", content: "a" }];
  const body = { model: "m", previous_response_id: "r", input: [{ type: "item_reference", id: "msg_1" }] };
  expect(referencedItems(body)).toEqual(["msg_1"]);
  const known = { id: "msg_1", type: "message", role: "assistant", content: "b" };
  const whole = withHistory(body, history, () => known);
  expect(whole).toEqual({ model: "m", input: [...history, known] });
  expect(parseRequest(whole).ok).toBe(true);
  expect(parseRequest(withHistory(body, history, () => null))).toMatchObject({ error: { field: "input[1]" } });
  expect(inputItems({ input: "hi" })).toEqual([
    { type: "message", role: "user", content: [{ type: "input_text", text: "hi" }] },
  ]);
  expect(inputItems(null)).toEqual([]);
});
