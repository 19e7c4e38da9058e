import { expect, test } from "bun:test";
import { mayUseModel } from "./model-rights.ts";

test("an entry is met by the name that was used or by the model behind it", () => {
  const rows: readonly [readonly string[], string, string, boolean][] = [
    [[], "auto", "qwen3-8b", true],
    [["qwen3-8b"], "auto", "qwen3-8b", true],
    [["fast"], "fast", "qwen3-8b", true],
    [["fast"], "qwen3-8b", "qwen3-8b", false],
    [["llama-3.2-1b", "fast"], "slow", "qwen3-8b", false],
    [["qwen3-*"], "auto", "qwen3-8b", true],
    [["qwen3-*"], "auto", "qwen2-8b", false],
    [["*-8b"], "x", "qwen3-8b", true],
    [["q*3*b"], "x", "qwen3-8b", true],
    [["q*33*b"], "x", "qwen3-8b", false],
    // What stands at both ends may not be the same characters.
    [["ab*ba"], "aba", "aba", false],
    [["ab*b*ba"], "abba", "abba", false],
    [["ab*b*ba"], "abbba", "abbba", true],
    [["claude-*"], "claude-sonnet-5", "qwen3-8b", true],
    [["a.b"], "axb", "axb", false],
  ];
  for (const [allowed, asked, model, may] of rows) {
    expect([allowed, asked, model, mayUseModel(allowed, asked, model)]).toEqual([allowed, asked, model, may]);
  }
});

test("a pattern of many stars costs no more than its length", () => {
  const pattern = `${"*a".repeat(90)}*b`;
  const start = performance.now();
  expect(mayUseModel([pattern], "a".repeat(200), "x")).toBe(false);
  expect(performance.now() - start).toBeLessThan(500);
});
