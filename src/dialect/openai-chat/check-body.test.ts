import { expect, test } from "bun:test";
import { scanBody } from "../../wire/scan-body.ts";
import { checkChatBody } from "./check-body.ts";

const RIGHT = { model: "m", messages: [{ role: "user", content: "hi" }] };

function check(body: object) {
  const scanned = scanBody(Buffer.from(JSON.stringify(body, null, 1)));
  if (!scanned.ok) throw new Error("not JSON");
  return checkChatBody(scanned.value);
}

test.each<[object, string]>([
  [{ messages: undefined }, "messages"],
  [{ messages: null }, "messages"],
  [{ messages: [] }, "messages"],
  [{ messages: "hi" }, "messages"],
  [{ messages: [1] }, "messages"],
  [{ temperature: "hot" }, "temperature"],
  [{ temperature: -1 }, "temperature"],
  [{ top_p: 1.5 }, "top_p"],
  [{ top_k: true }, "top_k"],
  [{ seed: 1.5 }, "seed"],
  [{ n: 0 }, "n"],
  [{ top_logprobs: 21 }, "top_logprobs"],
  [{ logprobs: 1 }, "logprobs"],
  [{ stop: 5 }, "stop"],
  [{ tools: {} }, "tools"],
  [{ tool_choice: [] }, "tool_choice"],
  [{ stream_options: true }, "stream_options"],
  [{ user: 7 }, "user"],
])("a wrong field is named: %j", (fields, field) => {
  expect(check({ ...RIGHT, ...fields })).toMatchObject({ kind: "invalid_request", field });
});

test("what is right, null or unknown passes", () => {
  const nulls = { temperature: null, stop: null, tools: null, n: null, stream_options: null };
  for (const fields of [{}, nulls, { stop: "a" }, { stop: ["a"] }, { temperature: 0, top_k: -1, whatever: [1] }]) {
    expect(check({ ...RIGHT, ...fields })).toBeNull();
  }
});
