import { expect, test } from "bun:test";
import { modelRewriter } from "./rewrite-model.ts";

function rewrite(text: string, from = "tiny", to = "qwen3-coder"): string {
  return Buffer.from(modelRewriter(from, to)(Buffer.from(text))).toString();
}

test.each<[string, string]>([
  ['{"id":"a","model":"tiny","x":1}', '{"id":"a","model":"qwen3-coder","x":1}'],
  ['{"model": "tiny"}', '{"model":"qwen3-coder"}'],
  [
    'data: {"model":"tiny"}\n\ndata: {"model":"tiny"}\n\n',
    'data: {"model":"qwen3-coder"}\n\ndata: {"model":"qwen3-coder"}\n\n',
  ],
  ['{"model":"tiny2"}', '{"model":"tiny2"}'],
  ['{"content":"say \\"model\\":\\"tiny\\""}', '{"content":"say \\"model\\":\\"tiny\\""}'],
  ['{"x\\"model":"tiny"}', '{"x\\"model":"tiny"}'],
])("only a real member is rewritten: %#", (text, expected) => {
  expect(rewrite(text)).toBe(expected);
});

test("names with quotes and non-ASCII letters are written as JSON", () => {
  expect(JSON.parse(rewrite('{"model":"größe"}', "größe", 'a"b'))).toEqual({ model: 'a"b' });
});

test("bytes without a match, and equal names, come back as the same object", () => {
  const bytes = Buffer.from('{"model":"other"}');
  expect(modelRewriter("tiny", "b")(bytes)).toBe(bytes);
  expect(modelRewriter("other", "other")(bytes)).toBe(bytes);
});

test("a writer with spaces is rewritten in every chunk", () => {
  const rewriter = modelRewriter("tiny", "b");
  for (let i = 0; i < 3; i += 1) {
    expect(Buffer.from(rewriter(Buffer.from('{"model": "tiny"}'))).toString()).toBe('{"model":"b"}');
  }
});
