import { expect, test } from "bun:test";
import { fitOutput } from "./fit-output.ts";

const fit = (limit: number | undefined, promptTokens: number, contextTokens = 32_768): number | "lifted" | null =>
  fitOutput(limit, promptTokens * 4, () => promptTokens, contextTokens);

test("a limit that fits, or none, stays", () => {
  expect(fit(undefined, 12_000)).toBeNull();
  expect(fit(8192, 12_000)).toBeNull();
  expect(fit(32_000, 100)).toBeNull();
});

test("one that the window ends sooner is lifted", () => {
  expect(fit(32_000, 12_000)).toBe("lifted");
  expect(fit(8192, 30_000)).toBe("lifted");
});

test("where the estimate leaves it open it becomes what surely fits, never more", () => {
  const limit = 32_768 - 10_000;
  expect(fit(limit, 10_000)).toBe(32_768 - 11_000);
  for (let prompt = 0; prompt < 40_000; prompt += 500) {
    const fitted = fit(limit, prompt);
    if (typeof fitted === "number") expect(fitted).toBeLessThanOrEqual(limit);
  }
});

test("a short prompt is not even estimated", () => {
  const estimate = (): number => {
    throw new Error("estimated");
  };
  expect(fitOutput(1000, 2000, estimate, 32_768)).toBeNull();
});
