import { expect, test } from "bun:test";
import { ANONYMOUS, type Principal } from "../core/principal.ts";
import { DailyLedger } from "./ledger.ts";
import { concurrencyPolicy, dailyQuotaPolicy } from "./policies.ts";

const clock = { now: () => Date.UTC(2026, 10, 23, 12), monotonicMs: () => 0 };
const key = (limits: Partial<Principal["limits"]>): Principal => ({
  ...ANONYMOUS,
  keyId: "key_1",
  limits: { ...ANONYMOUS.limits, ...limits },
});

test("an answer grows in steps until the day's tokens are set aside, then it must end", () => {
  const ledger = new DailyLedger(clock, new Map());
  const policy = dailyQuotaPolicy(ledger);
  const principal = key({ dailyTokens: 2000 });
  const granted = policy.admit({ principal, promptTokensEstimate: 100, maxOutputTokens: null });
  if (!granted.ok || !granted.value) throw new Error("refused");
  expect(ledger.today("key_1").reserved).toBe(1124);
  expect(granted.value.extend(1023)).toBe(true);
  expect(granted.value.extend(1899)).toBe(true);
  expect(granted.value.extend(1900)).toBe(false);
  expect(ledger.today("key_1").reserved).toBe(2000);
  granted.value.release(2000);
  expect(ledger.today("key_1")).toEqual({ used: 2000, reserved: 0 });
});

test("near the end of the quota a request gets what is left, and nothing when nothing is", () => {
  const ledger = new DailyLedger(clock, new Map([["key_1", 1950]]));
  const policy = dailyQuotaPolicy(ledger);
  const principal = key({ dailyTokens: 2000 });
  const granted = policy.admit({ principal, promptTokensEstimate: 40, maxOutputTokens: null });
  if (!granted.ok || !granted.value) throw new Error("refused");
  expect(granted.value.extend(9)).toBe(true);
  expect(granted.value.extend(10)).toBe(false);
  expect(policy.admit({ principal, promptTokensEstimate: 40, maxOutputTokens: null })).toMatchObject({
    ok: false,
    error: { kind: "quota_exceeded", limitTokens: 2000, usedTokens: 1950 },
  });
});

test("what was set aside and not used is given back", () => {
  const ledger = new DailyLedger(clock, new Map());
  const principal = key({ dailyTokens: 2000 });
  const granted = dailyQuotaPolicy(ledger).admit({ principal, promptTokensEstimate: 10, maxOutputTokens: 5 });
  if (!granted.ok || !granted.value) throw new Error("refused");
  expect(ledger.today("key_1").reserved).toBe(15);
  granted.value.release(12);
  granted.value.release(12);
  expect(ledger.today("key_1")).toEqual({ used: 12, reserved: 0 });
});

test("concurrency is given back when the request ends", () => {
  const policy = concurrencyPolicy(new DailyLedger(clock, new Map()));
  const ask = { principal: key({ concurrency: 1 }), promptTokensEstimate: 1, maxOutputTokens: null };
  const first = policy.admit(ask);
  expect(policy.admit(ask)).toMatchObject({ ok: false, error: { kind: "rate_limited", limit: "concurrency" } });
  if (first.ok) first.value?.release(0);
  expect(policy.admit(ask)).toMatchObject({ ok: true });
});

test("an answer in one piece is granted only as a small part of what is left, and whole", () => {
  const ledger = new DailyLedger(clock, new Map());
  const policy = dailyQuotaPolicy(ledger);
  const ask = { principal: key({ dailyTokens: 8000 }), promptTokensEstimate: 500, allAtOnce: true };
  const granted = policy.admit({ ...ask, maxOutputTokens: 500 });
  expect(granted.ok).toBe(true);
  expect(ledger.today("key_1").reserved).toBe(1000);
  if (granted.ok) granted.value?.release(600);
  expect(policy.admit({ ...ask, maxOutputTokens: 501 })).toMatchObject({
    ok: false,
    error: { kind: "quota_exceeded" },
  });
  expect(ledger.today("key_1")).toEqual({ used: 600, reserved: 0 });
});
