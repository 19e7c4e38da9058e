import { expect, test } from "bun:test";
import fc from "fast-check";
import type { CompletionRequest } from "../../core/completion-request.ts";
import { parseRequest, toRequestBody } from "./request.ts";

test.each<[object, string | null]>([
  [{ prompt: undefined }, "prompt"],
  [{ prompt: null }, "prompt"],
  [{ prompt: [] }, "prompt"],
  [{ prompt: { text: "a" } }, "prompt"],
  [{ model: "" }, "model"],
  [{ max_tokens: -1 }, "max_tokens"],
  [{ logprobs: true }, "logprobs"],
  [{ temperature: "hot" }, "temperature"],
  [{ suffix: 5 }, "suffix"],
  [{ stop: [1] }, "stop[0]"],
])("a wrong field is refused by its path: %j", (body, field) => {
  expect(parseRequest({ model: "m", prompt: "a", ...body })).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", field },
  });
});

test("a body that is no object is refused", () => {
  expect(parseRequest("hi")).toMatchObject({ ok: false, error: { kind: "invalid_request", field: null } });
});

test.each<[object, string]>([
  [{ best_of: 3 }, "best_of"],
  [{ echo: true, logprobs: 1 }, "echo"],
  [{ echo: true, prompt: [1, 2] }, "echo"],
])("what cannot be done is refused by name: %j", (body, capability) => {
  expect(parseRequest({ model: "m", prompt: "a", ...body })).toMatchObject({
    ok: false,
    error: { kind: "unsupported", capability, endpoint: false },
  });
});

test.each<[object, string]>([
  [{ n: 0 }, "n"],
  [{ n: -1 }, "n"],
  [{ n: 129 }, "n"],
  [{ n: 2, best_of: 1 }, "best_of"],
  [{ prompt: [[1], []] }, "prompt[1]"],
])("numbers that make no sense are refused: %j", (body, field) => {
  expect(parseRequest({ model: "m", prompt: "a", ...body })).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", field },
  });
});

test.each<[object, readonly unknown[]]>([
  [{ prompt: "a" }, ["a"]],
  [{ prompt: ["a", "b"] }, ["a", "b"]],
  [{ prompt: [1, 2] }, [[1, 2]]],
  [{ prompt: [[1, 2], [3]] }, [[1, 2], [3]]],
  [{ prompt: ["a", "b"], n: 2 }, ["a", "a", "b", "b"]],
])("each prompt and each answer to it is a choice: %j", (body, prompts) => {
  const parsed = parseRequest({ model: "m", ...body });
  expect<unknown>(parsed.ok && parsed.value.choices.map(({ prompt }) => prompt)).toEqual([...prompts]);
});

test("answers to one prompt have seeds of their own", () => {
  const parsed = parseRequest({ model: "m", prompt: "a", n: 3, best_of: 3, seed: 7 });
  expect(parsed.ok && parsed.value.choices.map(({ sampling }) => sampling.seed)).toEqual([7, 8, 9]);
});

test("what is not read goes to the engine as it came", () => {
  const parsed = parseRequest({ model: "m", prompt: "a", logit_bias: { "5": 1 }, repeat_penalty: 1.1, grammar: null });
  expect<unknown>(parsed.ok && parsed.value.extra).toEqual({ logit_bias: { "5": 1 }, repeat_penalty: 1.1 });
  expect(parsed.ok && parsed.value.choices[0] && toRequestBody(parsed.value.choices[0], parsed.value.extra)).toEqual({
    model: "m",
    prompt: "a",
    stream: false,
    logit_bias: { "5": 1 },
    repeat_penalty: 1.1,
  });
});

test("null means absent, unknown fields are tolerated, an empty suffix is none and an empty prompt is one", () => {
  const nulls = { suffix: "", max_tokens: null, stop: null, stream: null, logprobs: null, user: null, seed: null };
  expect(parseRequest({ model: "m", prompt: "", ...nulls, whatever: 1 })).toEqual({
    ok: true,
    value: {
      model: "m",
      stream: false,
      includeUsage: false,
      choices: [{ model: "m", prompt: "", stream: false, includeUsage: false, stop: [], sampling: {} }],
      echo: false,
      extra: { whatever: 1 },
      adjusted: [],
    },
  });
});

const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const request: fc.Arbitrary<CompletionRequest> = fc
  .record(
    {
      prompt: fc.string({ unit: "grapheme" }),
      stream: fc.boolean(),
      stop: fc.array(word, { maxLength: 2 }),
      sampling: fc.record(
        { temperature: fc.constantFrom(0, 0.5), topP: fc.constant(0.9), topK: fc.nat(), seed: fc.nat() },
        { requiredKeys: [] },
      ),
      suffix: word,
      maxOutputTokens: fc.nat({ max: 9999 }),
      logprobs: fc.record({ top: fc.nat({ max: 5 }) }),
      user: word,
      cacheKey: word,
    },
    { requiredKeys: ["prompt", "stream", "stop", "sampling"] },
  )
  .map((one) => ({ ...one, model: "m", includeUsage: one.stream }));

test("a core request survives the wire form, and usage is always asked for", () => {
  fc.assert(
    fc.property(request, (asked) => {
      const body: unknown = JSON.parse(JSON.stringify(toRequestBody(asked)));
      expect<unknown>(parseRequest(body)).toMatchObject({ ok: true, value: { choices: [asked], extra: {} } });
    }),
    { numRuns: 200 },
  );
});
