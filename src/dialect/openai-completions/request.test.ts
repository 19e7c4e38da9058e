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
  [{ prompt: ["a", "b"] }, "several prompts"],
  [{ prompt: [1, 2] }, "prompt tokens"],
  [{ prompt: [[1, 2]] }, "prompt tokens"],
  [{ n: 2 }, "n"],
  [{ best_of: 3 }, "best_of"],
  [{ echo: true }, "echo"],
  [{ logit_bias: { "5": 1 } }, "logit_bias"],
])("what would change the answer and cannot be translated is refused by name: %j", (body, capability) => {
  expect(parseRequest({ model: "m", prompt: "a", ...body })).toMatchObject({
    ok: false,
    error: { kind: "unsupported", capability, endpoint: false },
  });
});

test("null means absent, unknown fields are tolerated, an empty suffix is none and an empty prompt is one", () => {
  const nulls = { suffix: "", max_tokens: null, stop: null, stream: null, logprobs: null, user: null, seed: null };
  expect(parseRequest({ model: "m", prompt: "", ...nulls, whatever: 1 })).toEqual({
    ok: true,
    value: { model: "m", prompt: "", stream: false, includeUsage: false, stop: [], sampling: {} },
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
      expect<unknown>(parseRequest(body)).toEqual({ ok: true, value: asked });
    }),
    { numRuns: 200 },
  );
});
