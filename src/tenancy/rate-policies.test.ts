import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ANONYMOUS, UNLIMITED } from "../core/principal.ts";
import { FakeClock } from "../store/test-store.ts";
import { LocalRates } from "./local-rates.ts";
import { requestRatePolicy, tokenRatePolicy } from "./rate-policies.ts";
import { RateWindow } from "./rate-window.ts";

const ask = (limits: Partial<typeof UNLIMITED>, promptTokensEstimate = 10, maxOutputTokens: number | null = 10) => ({
  principal: { ...ANONYMOUS, keyId: "key_1", limits: { ...UNLIMITED, ...limits } },
  promptTokensEstimate,
  maxOutputTokens,
});

function policies(clock = new FakeClock(0)) {
  const rates = new LocalRates(clock);
  const sum = () => rates.tokens("key_1").standing().sum;
  return { clock, requests: requestRatePolicy(rates), tokens: tokenRatePolicy(rates), sum };
}

function atOnce<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new Error("it asked somebody");
  return value;
}

describe("the window of a minute", () => {
  test("lets through exactly what a log of every request would, also across the turn of a minute, and says when to come back", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 1, max: 4 })), { maxLength: 150 }),
        (limit, steps) => {
          const clock = new FakeClock(0);
          const window = new RateWindow(clock);
          const log: { at: number; units: number }[] = [];
          const inMinute = (at: number): number =>
            log.filter((one) => one.at > at - 60_000 && one.at <= at).reduce((sum, { units }) => sum + units, 0);
          for (const [wait, units] of steps) {
            clock.ms += wait;
            const fits = inMinute(clock.ms) + units <= limit || inMinute(clock.ms) === 0;
            const counted = window.count(limit, units, units);
            expect("entry" in counted).toBe(fits);
            if ("entry" in counted) log.push({ at: clock.ms, units });
            else {
              const free = (ms: number): boolean => {
                const left = log.filter((one) => one.at > ms - 60_000).reduce((sum, one) => sum + one.units, 0);
                return left + units <= limit || left === 0;
              };
              expect([free(clock.ms + counted.waitMs), free(clock.ms + counted.waitMs - 1)]).toEqual([true, false]);
            }
            expect(window.standing().sum).toBe(inMinute(clock.ms));
          }
        },
      ),
    );
  });

  test("at twice the limit a minute passes exactly the limit, whichever minute one takes, within one request", () => {
    for (const limit of [7, 60, 600, 6000]) {
      const { clock, requests } = policies();
      const passed: number[] = [];
      const everyMs = 60_000 / (limit * 2);
      for (let at = 0; at < 300_000; at += everyMs) {
        clock.ms = at;
        if (atOnce(requests.admit(ask({ requestsPerMinute: limit }))).ok) passed.push(Math.floor(at));
      }
      for (const start of [0, 1, 12_345, 59_999, 60_000, 100_001, 180_500, 239_000]) {
        const inMinute = passed.filter((at) => at >= start && at < start + 60_000).length;
        expect([limit, start, Math.abs(inMinute - limit) <= 1]).toEqual([limit, start, true]);
      }
    }
  });

  test("a burst at the end of a minute and one at the start of the next are one burst", () => {
    const { clock, requests } = policies(new FakeClock(59_999));
    const burst = (): number =>
      Array.from({ length: 50 }, () => atOnce(requests.admit(ask({ requestsPerMinute: 20 }))).ok).filter(Boolean)
        .length;
    expect(burst()).toBe(20);
    clock.ms = 60_001;
    expect(burst()).toBe(0);
    clock.ms = 119_998;
    expect(burst()).toBe(0);
    clock.ms = 119_999;
    expect(burst()).toBe(20);
  });

  test("a clock on the wall that is set does not open or close it", () => {
    const clock = { wall: 0, ms: 0, now: () => clock.wall, monotonicMs: () => clock.ms };
    const window = new RateWindow(clock);
    window.add(5);
    clock.wall += 3_600_000;
    expect(window.standing().sum).toBe(5);
    clock.ms += 60_000;
    clock.wall = -1;
    expect(window.standing().sum).toBe(0);
  });
});

test("requests above the limit of a minute hear when to come back", () => {
  const { clock, requests } = policies();
  const three = ask({ requestsPerMinute: 3 });
  for (let at = 0; at < 3; at += 1) expect(atOnce(requests.admit(three)).ok).toBe(true);
  clock.ms += 1000;
  expect(requests.admit(three)).toMatchObject({
    ok: false,
    error: { kind: "rate_limited", limit: "requests_per_minute", retryAfterMs: 59_000 },
  });
  clock.ms += 59_000;
  expect(atOnce(requests.admit(three)).ok).toBe(true);
});

test("tokens are counted ahead, as they come, and in the end by what was used", () => {
  const { clock, tokens, sum } = policies();
  const open = (prompt: number, most: number | null) => {
    const answer = atOnce(tokens.admit(ask({ tokensPerMinute: 4000 }, prompt, most)));
    if (!answer.ok || !answer.value) throw new Error("refused");
    return answer.value;
  };
  const first = open(40, null);
  expect(sum()).toBe(1064);
  expect(first.extend(1000)).toBe(true);
  expect(sum()).toBe(1064);
  expect(first.extend(1030)).toBe(true);
  expect(sum()).toBe(1064 + 128);
  first.release(1100);
  first.release(1100);
  expect(sum()).toBe(1100);
  const second = open(100, 50);
  expect(sum()).toBe(1250);
  clock.ms += 10_000;
  second.release(120);
  expect(sum()).toBe(1220);
  // The longest answer is not cut: it makes the next request wait.
  const third = open(10, null);
  expect(third.extend(50_000)).toBe(true);
  third.release(50_010);
  expect(tokens.admit(ask({ tokensPerMinute: 4000 }, 1))).toMatchObject({
    ok: false,
    error: { limit: "tokens_per_minute" },
  });
  clock.ms += 60_000;
  expect(sum()).toBe(0);
  // One that ends later than a minute after it began takes back nothing that is not there any more.
  const late = open(10, null);
  clock.ms += 60_000;
  late.release(11);
  expect(sum()).toBe(0);
});

test("whatever the order of answers, all that was counted ahead and not used is taken back", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ prompt: fc.nat(300), grow: fc.nat(3000), used: fc.nat(3300), wait: fc.nat(200) }), {
        maxLength: 40,
      }),
      (answers) => {
        const { clock, tokens, sum } = policies();
        let expected = 0;
        const open = answers.map(({ prompt, grow, used, wait }) => {
          clock.ms += wait;
          const answer = atOnce(tokens.admit(ask({ tokensPerMinute: 10_000_000 }, prompt, null)));
          if (!answer.ok || !answer.value) throw new Error("refused");
          expect(answer.value.extend(grow)).toBe(true);
          // An engine never counts fewer than the pieces it sent.
          const real = Math.max(used, prompt + grow);
          expected += real;
          return { grant: answer.value, real };
        });
        for (const { grant, real } of open.toReversed()) grant.release(real);
        expect(sum()).toBe(expected);
      },
    ),
  );
});

test("a prompt above the whole limit passes in an empty minute", () => {
  const { tokens } = policies();
  expect(atOnce(tokens.admit(ask({ tokensPerMinute: 100 }, 400))).ok).toBe(true);
  expect(atOnce(tokens.admit(ask({ tokensPerMinute: 100 }, 1))).ok).toBe(false);
});

test("keys without such a limit are not counted", () => {
  const { requests, tokens } = policies();
  for (const policy of [requests, tokens]) {
    for (let at = 0; at < 1000; at += 1) expect(policy.admit(ask({}))).toEqual({ ok: true, value: null });
  }
});
