import { expect, test } from "bun:test";
import { utcDayStart } from "../core/clock.ts";
import { addToRollups, usedTokensOfDay } from "../store/rollups.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { openTestStore, settledUsage, type TestStore, until } from "../store/test-store.ts";
import { LocalAllowance, LocalLeases } from "./local-leases.ts";
import { MovingLeases } from "./moving-leases.ts";
import { SharedAllowance } from "./shared-allowance.ts";
import { StoreLeases } from "./store-leases.ts";

const KEY = "key_1";

/** One process of a data directory; `used` is what its requests used and has not come into the store. */
function processOf(t: TestStore, name: string, gone: ReadonlySet<string>) {
  let unsettled = 0;
  const settle = async (): Promise<boolean> => {
    const tokens = unsettled;
    unsettled = 0;
    const record = usageRecord("r", { at: t.clock.ms, keyId: KEY, promptTokens: tokens, completionTokens: 0 });
    if (tokens > 0) await t.store.write((tx) => addToRollups(tx, [settledUsage(record)]));
    return true;
  };
  const patience = { againMs: 5, times: 10 };
  const leases = new MovingLeases({
    local: (used) => new LocalLeases(t.clock, used),
    shared: () => new StoreLeases({ store: t.store, clock: t.clock, home: name, settled: settle, patience }),
    isGone: (home) => home === name || gone.has(home),
    used: () => usedTokensOfDay(t.store.sql, utcDayStart(t.clock.ms)),
    settled: settle,
  });
  return {
    leases,
    settle,
    spend(tokens: number) {
      unsettled += tokens;
    },
  };
}

test("over a restart without a pause no token is given out twice, and each process' answers go on", async () => {
  await using t = await openTestStore();
  const gone = new Set<string>();
  const old = processOf(t, "old", gone);
  await old.leases.start();
  expect(old.leases.tokensOfDay(KEY)).toBeInstanceOf(LocalAllowance);
  const running = old.leases.tokensOfDay(KEY);
  const slot = old.leases.slots(KEY);
  expect(await running.take(1000, 300, 300)).toBe(300);
  expect(await slot.take(1, 1, 1)).toBe(1);
  // One that has ended and is not in the store yet.
  expect(await running.take(1000, 100, 100)).toBe(100);
  running.settle(100, 100);
  old.spend(100);

  await old.leases.handOver();
  const next = processOf(t, "next", gone);
  await next.leases.start();
  expect(next.leases.tokensOfDay(KEY)).toBeInstanceOf(SharedAllowance);
  expect(await next.leases.tokensOfDay(KEY).take(1000, 601, 601)).toBeNull();
  expect(await next.leases.slots(KEY).take(1, 1, 1)).toBeNull();
  expect(await next.leases.tokensOfDay(KEY).take(1000, 400, 400)).toBe(400);
  // The old one's answer grows as long as there is room, wherever it is kept.
  expect(await running.take(1000, 175, 200)).toBe(175);
  expect(await running.take(1000, 1, 1)).toBeNull();
  running.settle(475, 450);
  old.spend(450);
  slot.settle(1, 0);
  await old.settle();
  await old.leases.stop();
  gone.add("old");

  // What it used a moment ago is in the store by then, and counts once.
  const brief = next.leases.tokensOfDay(KEY);
  expect(await brief.take(1000, 25, 25)).toBe(25);
  brief.settle(25, 20);
  next.spend(20);
  // Nobody else is left: back into memory, with the running answer of the successor.
  const growing = next.leases.tokensOfDay(KEY);
  await until(() => next.leases.tokensOfDay(KEY) instanceof LocalAllowance);
  expect(next.leases.tokensOfDay(KEY).standing()).toEqual({ used: 570, held: 400, away: false });
  expect(await growing.take(1000, 30, 50)).toBe(30);
  expect(await growing.take(1000, 1, 1)).toBeNull();
  growing.settle(430, 10);
  expect(next.leases.tokensOfDay(KEY).standing()).toEqual({ used: 580, held: 0, away: false });
  expect(await next.leases.slots(KEY).take(1, 1, 1)).toBe(1);
  next.leases.startFrom("key_2", 7);
  expect(next.leases.tokensOfDay("key_2").standing().used).toBe(7);
  await next.leases.stop();
}, 20_000);

test("a hand-over that comes to nothing changes nothing", async () => {
  await using t = await openTestStore();
  const old = processOf(t, "old", new Set());
  await old.leases.start();
  const running = old.leases.tokensOfDay(KEY);
  expect(await running.take(1000, 300, 300)).toBe(300);
  await old.leases.handOver();
  old.leases.takeBack();
  await until(() => old.leases.tokensOfDay(KEY) instanceof LocalAllowance);
  expect(await running.take(1000, 700, 700)).toBe(700);
  running.settle(1000, 5);
  expect(old.leases.tokensOfDay(KEY).standing()).toEqual({ used: 5, held: 0, away: false });
  await old.leases.stop();
}, 20_000);
