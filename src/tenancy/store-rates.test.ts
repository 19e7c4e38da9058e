import { expect, test } from "bun:test";
import { onEachDatabase, type TestStore } from "../store/test-store.ts";
import { LeaseDesk } from "./lease-desk.ts";
import { StoreRates } from "./store-rates.ts";

const KEY = "key_1";

function gateway(t: TestStore, home: string): StoreRates {
  return new StoreRates(new LeaseDesk(t.store, t.clock, home, () => new Map()), t.clock);
}

onEachDatabase((openTestStore, database) => {
  test("two gateways let exactly the limit through in a minute, whoever is asked", async () => {
    await using t = await openTestStore();
    const both = [gateway(t, "a"), gateway(t, "b")];
    const ask = async (at: number): Promise<boolean> => {
      const counted = await both[at % 2]?.requests(KEY).count(7, 1, 1);
      return counted !== undefined && "entry" in counted;
    };
    const passed = (await Promise.all(Array.from({ length: 40 }, (_, at) => ask(at)))).filter(Boolean).length;
    expect(passed).toBe(7);
    expect(both[0]?.requests(KEY).standing().sum).toBe(7);
    const refused = await both[1]?.requests(KEY).count(7, 1, 1);
    if (!refused || !("waitMs" in refused)) throw new Error("it was let in");
    expect(refused.waitMs > 50_000 && refused.waitMs <= 60_000).toBe(true);
  });

  test("what was counted ahead is taken back, by whichever gateway, and what was used above it is added", async () => {
    await using t = await openTestStore();
    const [a, b] = [gateway(t, "a"), gateway(t, "b")];
    const first = await a.tokens(KEY).count(1000, 100, 1100);
    if (!("entry" in first)) throw new Error("refused");
    expect(first.units).toBe(1000);
    expect(await b.tokens(KEY).count(1000, 100, 1100)).toHaveProperty("waitMs");
    a.tokens(KEY).takeBack(first.entry, 950);
    const second = await a.tokens(KEY).count(1000, 100, 200);
    expect(second).toMatchObject({ units: 200 });
    b.tokens(KEY).add(700);
    const last = await b.tokens(KEY).count(1000, 51, 51);
    expect(last).toHaveProperty("waitMs");
    expect(await b.tokens(KEY).count(1000, 50, 50)).toMatchObject({ units: 50 });
    // Larger than the limit as a whole: only in an empty minute.
    expect(await b.requests(KEY).count(3, 9, 9)).toMatchObject({ units: 9 });
    expect(await a.requests(KEY).count(3, 1, 1)).toHaveProperty("waitMs");
  });

  test("a minute later all is forgotten", async () => {
    await using t = await openTestStore();
    const a = gateway(t, "a");
    await a.requests(KEY).count(1, 1, 1);
    if (database === "PostgreSQL")
      await t.store.write(async (tx) => void (await tx`update limit_uses set at = at - 60000`));
    else {
      t.clock.ms += 59_999;
      expect(await a.requests(KEY).count(1, 1, 1)).toEqual({ waitMs: 1 });
      t.clock.ms += 1;
    }
    expect(await a.requests(KEY).count(1, 1, 1)).toHaveProperty("entry");
  });

  test("while the database is away each gateway counts for itself", async () => {
    await using t = await openTestStore();
    const a = gateway(t, "a");
    expect(await a.requests(KEY).count(2, 1, 1)).toHaveProperty("entry");
    await t.store.close();
    expect(await a.requests(KEY).count(2, 1, 1)).toHaveProperty("entry");
    expect(await a.requests(KEY).count(2, 1, 1)).toHaveProperty("waitMs");
    const entry = await a.tokens(KEY).count(100, 10, 60);
    if (!("entry" in entry)) throw new Error("refused");
    a.tokens(KEY).takeBack(entry.entry, 50);
    expect(a.tokens(KEY).standing().sum).toBe(10);
  });
});
