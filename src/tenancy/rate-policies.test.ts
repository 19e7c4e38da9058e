import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ANONYMOUS, UNLIMITED } from "../core/principal.ts";
import { requestRatePolicy, tokenRatePolicy } from "./rate-policies.ts";
import { RateWindow } from "./rate-window.ts";

class HeldClock {
  at = Date.UTC(2026, 10, 23, 12);
  now(): number {
    return this.at;
  }
  monotonicMs(): number {
    return this.at;
  }
}

const ask = (limits: Partial<typeof UNLIMITED>, promptTokensEstimate = 10) => ({
  principal: { ...ANONYMOUS, keyId: "key_1", limits: { ...UNLIMITED, ...limits } },
  promptTokensEstimate,
  maxOutputTokens: null,
});

describe("the window of a minute", () => {
  test("never lets more through in any 60 seconds than the limit, and never starves", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 120 }),
        (limit, steps) => {
          const clock = new HeldClock();
          const window = new RateWindow(clock);
          const passed: number[] = [];
          for (const step of steps) {
            clock.at += step;
            if (window.sum + 1 > limit) {
              const waitMs = window.waitMs(1, limit);
              expect(waitMs).toBeGreaterThan(0);
              expect(waitMs).toBeLessThanOrEqual(60_000);
              continue;
            }
            window.add(1);
            passed.push(clock.at);
          }
          for (const [at, time] of passed.entries()) {
            const inMinute = passed.slice(at).filter((other) => other < time + 59_000);
            expect(inMinute.length).toBeLessThanOrEqual(limit);
          }
        },
      ),
    );
  });

  test("says exactly when the next one fits", () => {
    const clock = new HeldClock();
    const window = new RateWindow(clock);
    window.add(1);
    clock.at += 10_000;
    window.add(1);
    const waitMs = window.waitMs(1, 2);
    clock.at += waitMs - 1;
    expect(window.sum).toBe(2);
    clock.at += 1;
    expect(window.sum).toBe(1);
  });
});

test("requests above the limit of a minute hear when to come back", () => {
  const clock = new HeldClock();
  const policy = requestRatePolicy(clock);
  const three = ask({ requestsPerMinute: 3 });
  for (let at = 0; at < 3; at += 1) expect(policy.admit(three).ok).toBe(true);
  expect(policy.admit(three)).toMatchObject({
    ok: false,
    error: { kind: "rate_limited", limit: "requests_per_minute" },
  });
  clock.at += 60_000;
  expect(policy.admit(three).ok).toBe(true);
});

test("tokens are counted by what was used in the end", () => {
  const clock = new HeldClock();
  const policy = tokenRatePolicy(clock);
  const hundred = ask({ tokensPerMinute: 100 }, 40);
  const first = policy.admit(hundred);
  if (first.ok) first.value?.release(90);
  if (first.ok) first.value?.release(90);
  expect(policy.admit(hundred)).toMatchObject({ ok: false, error: { limit: "tokens_per_minute" } });
  expect(policy.admit(ask({ tokensPerMinute: 100 }, 10)).ok).toBe(true);
});

test("a prompt above the whole limit passes in an empty minute", () => {
  const policy = tokenRatePolicy(new HeldClock());
  expect(policy.admit(ask({ tokensPerMinute: 100 }, 400)).ok).toBe(true);
  expect(policy.admit(ask({ tokensPerMinute: 100 }, 1)).ok).toBe(false);
});

test("keys without such a limit are not counted", () => {
  const clock = new HeldClock();
  for (const policy of [requestRatePolicy(clock), tokenRatePolicy(clock)]) {
    for (let at = 0; at < 1000; at += 1) expect(policy.admit(ask({}))).toEqual({ ok: true, value: null });
  }
});
