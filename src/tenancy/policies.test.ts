import { expect, test } from "bun:test";
import fc from "fast-check";
import { ANONYMOUS, type Principal } from "../core/principal.ts";
import { FakeClock } from "../store/test-store.ts";
import { LocalLeases } from "./local-leases.ts";
import { concurrencyPolicy, dailyQuotaPolicy, type Ask, type Granted } from "./policies.ts";

const key = (limits: Partial<Principal["limits"]>): Principal => ({
  ...ANONYMOUS,
  keyId: "key_1",
  limits: { ...ANONYMOUS.limits, ...limits },
});

function quota(used = 0, clock = new FakeClock()) {
  const leases = new LocalLeases(clock, new Map([["key_1", used]]));
  const policy = dailyQuotaPolicy(leases, clock);
  const admit = (ask: Omit<Ask, "principal">, limit = 2000) =>
    atOnce(policy.admit({ principal: key({ dailyTokens: limit }), ...ask }));
  return { admit, clock, leases, today: () => leases.tokensOfDay("key_1").standing() };
}

/** One process decides at once. */
function atOnce<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new Error("it asked somebody");
  return value;
}

function granted(answer: ReturnType<ReturnType<typeof quota>["admit"]>): Granted {
  if (!answer.ok || !answer.value) throw new Error("refused");
  return answer.value;
}

test("an answer grows in steps until the day's tokens are set aside, then it must end", () => {
  const { admit, today } = quota();
  const answer = granted(admit({ promptTokensEstimate: 100, maxOutputTokens: null }));
  // A quarter of what is left beside the prompt, as 1,024 are more than that.
  expect(today().held).toBe(575);
  expect(answer.extend(474)).toBe(true);
  expect(today().held).toBe(575);
  expect(answer.extend(1899)).toBe(true);
  expect(answer.extend(1900)).toBe(false);
  expect(today().held).toBe(2000);
  answer.release(2000);
  answer.release(2000);
  expect(today()).toEqual({ used: 2000, held: 0, away: false });
  expect(answer.extend(1901)).toBe(false);
});

test("near the end of the quota a request gets what is left, and nothing when nothing is", () => {
  const { admit } = quota(1950);
  const answer = granted(admit({ promptTokensEstimate: 40, maxOutputTokens: null }));
  expect(answer.extend(9)).toBe(true);
  expect(answer.extend(10)).toBe(false);
  expect(admit({ promptTokensEstimate: 40, maxOutputTokens: null })).toMatchObject({
    ok: false,
    error: { kind: "quota_exceeded", limitTokens: 2000, usedTokens: 1950, busy: true, retryAfterMs: 1000 },
  });
  answer.release(50);
  expect(admit({ promptTokensEstimate: 40, maxOutputTokens: null })).toMatchObject({
    ok: false,
    error: { kind: "quota_exceeded", neededTokens: 41, retryAfterMs: 43_200_000 },
  });
});

test("near the end steps are small: one long answer leaves something to the others", () => {
  const { admit, today } = quota();
  const answers = Array.from({ length: 3 }, () =>
    granted(admit({ promptTokensEstimate: 10, maxOutputTokens: null }, 4000)),
  );
  for (let tokens = 0; tokens < 1800; tokens += 1) expect(answers[0]?.extend(tokens)).toBe(true);
  expect(4000 - today().held).toBeGreaterThan(200);
  // Where there is plenty a step is 1,024.
  granted(admit({ promptTokensEstimate: 10, maxOutputTokens: null }, 1_000_000));
  expect(today().held).toBeGreaterThan(2800);
});

test("what was set aside and not used is given back", () => {
  const { admit, today } = quota();
  const answer = granted(admit({ promptTokensEstimate: 10, maxOutputTokens: 5 }));
  expect(today().held).toBe(15);
  answer.release(12);
  expect(today()).toEqual({ used: 12, held: 0, away: false });
});

test("an answer in one piece is granted only as a small part of what is left, and whole", () => {
  const { admit, today } = quota();
  const ask = { promptTokensEstimate: 500, allAtOnce: true };
  granted(admit({ ...ask, maxOutputTokens: 500 }, 8000)).release(600);
  expect(admit({ ...ask, maxOutputTokens: 501 }, 8000)).toMatchObject({ ok: false, error: { kind: "quota_exceeded" } });
  expect(today()).toEqual({ used: 600, held: 0, away: false });
});

test("the day turns over at midnight UTC, and a request is that day's on which it arrived", () => {
  const { admit, clock, today } = quota(0, new FakeClock(Date.UTC(2026, 0, 15, 23, 59)));
  const late = granted(admit({ promptTokensEstimate: 60, maxOutputTokens: 10 }, 100));
  clock.ms += 60_000;
  const early = granted(admit({ promptTokensEstimate: 60, maxOutputTokens: 40 }, 100));
  expect(late.extend(39)).toBe(true);
  expect(late.extend(40)).toBe(false);
  late.release(100);
  early.release(30);
  expect(today()).toEqual({ used: 30, held: 0, away: false });
  // Set back over midnight: the day's tokens are not handed out again.
  clock.ms -= 60_000;
  expect(today().used).toBe(30);
});

test("a key that got its quota in the middle of the day starts with what it has used", () => {
  const { admit, leases } = quota();
  leases.startFrom("key_1", 1990);
  expect(admit({ promptTokensEstimate: 10, maxOutputTokens: null })).toMatchObject({ ok: false });
  expect(admit({ promptTokensEstimate: 9, maxOutputTokens: null }).ok).toBe(true);
});

test("requests at once are counted in and, however often they end, once out", () => {
  const policy = concurrencyPolicy(new LocalLeases(new FakeClock(), new Map()));
  const admit = (limit: number, keyId = "key_1") =>
    atOnce(
      policy.admit({
        principal: { ...key({ concurrency: limit }), keyId },
        promptTokensEstimate: 1,
        maxOutputTokens: null,
      }),
    );
  const first = admit(2);
  admit(2);
  expect(admit(2)).toMatchObject({ ok: false, error: { kind: "rate_limited", limit: "concurrency" } });
  expect(admit(1, "key_2").ok).toBe(true);
  if (first.ok) first.value?.release(0);
  if (first.ok) first.value?.release(0);
  expect(admit(2).ok).toBe(true);
  expect(admit(2).ok).toBe(false);
  for (let index = 0; index < 100; index += 1) expect(admit(0)).toEqual({ ok: true, value: null });
});

test("whatever comes in which order, a quota is never overspent and all that was set aside comes back", () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant("admit" as const),
      promptTokensEstimate: fc.nat(400),
      maxOutputTokens: fc.option(fc.nat(2000)),
      allAtOnce: fc.boolean(),
    }),
    fc.record({ do: fc.constant("extend" as const), which: fc.nat(20), by: fc.nat(900) }),
    fc.record({
      do: fc.constant("release" as const),
      which: fc.nat(20),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.nat(20 * 3_600_000) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6000 }), fc.array(step, { maxLength: 80 }), (limit, steps) => {
      const { admit, clock, today } = quota(0, new FakeClock());
      const open: { grant: Granted; prompt: number; output: number }[] = [];
      for (const action of steps) {
        if (action.do === "wait") clock.ms += action.ms;
        if (action.do === "admit") {
          const answer = admit(action, limit);
          if (answer.ok) open.push({ grant: granted(answer), prompt: action.promptTokensEstimate, output: 0 });
        }
        const chosen = "which" in action ? open[action.which % Math.max(open.length, 1)] : undefined;
        if (action.do === "extend" && chosen && chosen.grant.extend(chosen.output + action.by) === true)
          chosen.output += action.by;
        if (action.do === "release" && chosen) {
          open.splice(open.indexOf(chosen), 1);
          chosen.grant.release(Math.floor((chosen.prompt + chosen.output) * action.share));
        }
        const { used, held } = today();
        expect(used + held).toBeLessThanOrEqual(limit);
        expect(held).toBeGreaterThanOrEqual(0);
      }
      for (const { grant } of open) grant.release(0);
      expect(today().held).toBe(0);
    }),
  );
});
