import { expect, test } from "bun:test";
import { findUsage } from "./usage-bytes.ts";
import { StreamWatch } from "./tail.ts";

const find = (json: string) => findUsage(Buffer.from(json));
const usage = { promptTokens: 3, completionTokens: 2, cachedTokens: 0 };

test("counts are found with and without choices, and only in the answer's own members", () => {
  expect(find('{"choices":[{"text":"x"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}')).toEqual({
    usage,
    hasChoices: true,
  });
  expect(find(' {"usage": {"prompt_tokens": 3, "completion_tokens": 2}, "choices": [ ]} ')).toEqual({
    usage,
    hasChoices: false,
  });
  expect(find('{"x":{"usage":{"prompt_tokens":3},"choices":[1]}}')).toEqual({ usage: null, hasChoices: null });
  expect(find('{"choices":[],"usage":null}')).toEqual({ usage: null, hasChoices: false });
});

test("what is no count is none, and what is no JSON is nothing", () => {
  for (const odd of ['"3"', "-1", "1.5", "true", "{}"])
    expect(find(`{"choices":[],"usage":{"prompt_tokens":${odd}}}`)?.usage).toBeNull();
  expect(find('{"choices":[],"usage":"many"}')?.usage).toBeNull();
  expect(find('{"choices":[],"usage":{"prompt_tokens":}}')).toBeNull();
  expect(find("[1]")).toBeNull();
});

test("the counts of a chunk that stands on several lines are read", () => {
  const watch = new StreamWatch({ keepUsage: false });
  watch.push(Buffer.from('data: {"choices":[],\ndata: "usage":{"prompt_tokens":3,\ndata: "completion_tokens":2}}\n\n'));
  expect(watch.usage).toEqual(usage);
});
