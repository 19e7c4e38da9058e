import { expect, test } from "bun:test";
import { fit, type MemoryEstimate } from "./fit.ts";

const GB = 1e9;

/** An 8B model in four bits, about: 128 KiB of cache for a token. */
const EIGHT: MemoryEstimate = {
  weightsBytes: 5 * GB,
  trainedTokens: 131_072,
  contextBytes: async (tokens, slots) => ({ cacheBytes: tokens * slots * 131_072, computeBytes: 0.5 * GB }),
};

function auto(freeGigabytes: number): Promise<unknown> {
  return fit({ contextTokens: 0, slots: 0, freeBytes: freeGigabytes * GB }, EIGHT);
}

test("context and slots are chosen to fit, and leave room to others", async () => {
  expect(await auto(64)).toMatchObject({ ok: true, value: { contextTokens: 32_768, slots: 4 } });
  expect(await auto(24)).toMatchObject({ ok: true, value: { contextTokens: 16_384, slots: 4 } });
  expect(await auto(12)).toMatchObject({ ok: true, value: { contextTokens: 8192, slots: 2 } });
  expect(await auto(7)).toMatchObject({ ok: true, value: { contextTokens: 2048, slots: 1 } });
});

test("a short model is given what it was trained for", async () => {
  const short = { ...EIGHT, trainedTokens: 4096 };
  expect(await fit({ contextTokens: 0, slots: 2, freeBytes: 64 * GB }, short)).toMatchObject({
    ok: true,
    value: { contextTokens: 4096, slots: 2 },
  });
});

test("what was asked for is given as long as it fits at all", async () => {
  const wish = { contextTokens: 65_536, slots: 1, freeBytes: 15 * GB };
  expect(await fit(wish, EIGHT)).toMatchObject({ ok: true, value: { contextTokens: 65_536, slots: 1 } });
});

test("what does not fit is refused with the numbers and with what would", async () => {
  expect(await fit({ contextTokens: 65_536, slots: 2, freeBytes: 16 * GB }, EIGHT)).toEqual({
    ok: false,
    error:
      "model needs 22.7 GB (weights 5.0, context 17.2, compute 0.5), 16.0 GB are free; " +
      "use a smaller quantisation or --engine-embedded-context 32768",
  });
  expect(await fit({ contextTokens: 0, slots: 0, freeBytes: 4 * GB }, EIGHT)).toEqual({
    ok: false,
    error:
      "model needs 5.8 GB (weights 5.0, context 0.3, compute 0.5), 4.0 GB are free; " +
      "use a smaller quantisation or a smaller model",
  });
});
