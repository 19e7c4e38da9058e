import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../store/test-store.ts";
import { DailyLedger, type Reservation } from "./ledger.ts";

function reserved(ledger: DailyLedger, limit: number, tokens: number): Reservation {
  const result = ledger.reserve("k", limit, tokens);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

test("a quota counts what was used before the start, what is set aside and what is settled", () => {
  const clock = new FakeClock();
  const ledger = new DailyLedger(clock, new Map([["k", 400]]));
  const first = reserved(ledger, 1000, 500);
  expect(first.extend(100)).toBe(true);
  expect(first.extend(1)).toBe(false);
  first.settle(50);
  first.settle(50);
  expect(ledger.today("k")).toEqual({ used: 450, reserved: 0 });
  expect(first.extend(1)).toBe(false);
  expect(ledger.reserve("other", 10, 10).ok).toBe(true);
});

test("a spent quota says when the UTC day ends; one that running requests hold says to come back soon", () => {
  const clock = new FakeClock(Date.UTC(2026, 0, 15, 23, 59, 50));
  const ledger = new DailyLedger(clock, new Map([["k", 600]]));
  expect(ledger.reserve("k", 1000, 401)).toEqual({
    ok: false,
    error: { kind: "quota_exceeded", limitTokens: 1000, usedTokens: 600, retryAfterMs: 10_000 },
  });
  reserved(ledger, 1000, 400);
  expect(ledger.reserve("k", 1000, 1)).toMatchObject({ ok: false, error: { retryAfterMs: 1000 } });
});

test("the day turns over at midnight UTC, and a request is that day's on which it arrived", () => {
  const clock = new FakeClock(Date.UTC(2026, 0, 15, 23, 59));
  const ledger = new DailyLedger(clock, new Map());
  const late = reserved(ledger, 100, 60);
  clock.ms += 60_000;
  const early = reserved(ledger, 100, 100);
  expect(late.extend(40)).toBe(true);
  expect(late.extend(1)).toBe(false);
  late.settle(100);
  early.settle(30);
  expect(ledger.today("k")).toEqual({ used: 30, reserved: 0 });
  // Set back over midnight: the day's tokens are not handed out again.
  clock.ms -= 60_000;
  expect(ledger.today("k").used).toBe(30);
});

test("concurrency lets so many in at once, and leaving twice counts once", () => {
  const ledger = new DailyLedger(new FakeClock(), new Map());
  const first = ledger.enter("k", 2);
  const second = ledger.enter("k", 2);
  expect(ledger.enter("k", 2)).toMatchObject({ ok: false, error: { kind: "rate_limited", limit: "concurrency" } });
  if (!first.ok || !second.ok) throw new Error("refused");
  first.value();
  first.value();
  expect(ledger.enter("k", 2).ok).toBe(true);
  expect(ledger.enter("k", 2).ok).toBe(false);
  expect(ledger.enter("other", 1).ok).toBe(true);
  for (let index = 0; index < 100; index += 1) expect(ledger.enter("k", 0).ok).toBe(true);
});

test("no limit keeps no account", () => {
  const ledger = new DailyLedger(new FakeClock(), new Map());
  const free = reserved(ledger, 0, 1e12);
  expect(free.extend(1e12)).toBe(true);
  free.settle(1e12);
  expect(ledger.today("k")).toEqual({ used: 0, reserved: 0 });
});

test("whatever comes in which order, a limit is never overspent and all that was set aside comes back", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("reserve" as const), tokens: fc.nat(400) }),
    fc.record({ do: fc.constant("extend" as const), which: fc.nat(20), tokens: fc.nat(200) }),
    fc.record({
      do: fc.constant("settle" as const),
      which: fc.nat(20),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.nat(20 * 3_600_000) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
      const clock = new FakeClock();
      const ledger = new DailyLedger(clock, new Map());
      const open: { reservation: Reservation; held: number }[] = [];
      for (const action of steps) {
        if (action.do === "wait") clock.ms += action.ms;
        if (action.do === "reserve") {
          const result = ledger.reserve("k", limit, action.tokens);
          if (result.ok) open.push({ reservation: result.value, held: action.tokens });
        }
        const chosen = "which" in action ? open[action.which % Math.max(open.length, 1)] : undefined;
        if (action.do === "extend" && chosen?.reservation.extend(action.tokens) === true) chosen.held += action.tokens;
        if (action.do === "settle") chosen?.reservation.settle(Math.floor(chosen.held * action.share));
        const { used, reserved } = ledger.today("k");
        expect(used + reserved).toBeLessThanOrEqual(limit);
        expect(reserved).toBeGreaterThanOrEqual(0);
      }
      for (const { reservation } of open) reservation.settle(0);
      expect(ledger.today("k").reserved).toBe(0);
    }),
  );
});
