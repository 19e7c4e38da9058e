import { expect, test } from "bun:test";
import fc from "fast-check";
import { utcDayStart } from "../core/clock.ts";
import { ANONYMOUS, UNLIMITED } from "../core/principal.ts";
import { keepHolder } from "../store/limit-holders.ts";
import { addToRollups, usedTokensOfDay } from "../store/rollups.ts";
import { toNumber } from "../store/row-value.ts";
import { usageRecord } from "../core/test-usage-record.ts";
import { onEachDatabase, settledUsage, type TestStore } from "../store/test-store.ts";
import type { Allowance } from "./lease-source.ts";
import { LEASE_MS } from "./lease-desk.ts";
import { dailyQuotaPolicy } from "./policies.ts";
import { StoreRates } from "./store-rates.ts";
import { StoreLeases } from "./store-leases.ts";

const KEY = "key_1";

/** A gateway on the store: what its requests used is in the store when `settle` runs. */
class Gateway {
  readonly leases: StoreLeases;
  readonly home: string;
  readonly #t: TestStore;
  #unsettled = 0;
  /** What its requests have been granted and have not ended with. */
  open: { allowance: Allowance; held: number }[] = [];

  constructor(t: TestStore, home: string) {
    this.#t = t;
    this.home = home;
    const settled = async (): Promise<boolean> => {
      await this.settle();
      return true;
    };
    this.leases = new StoreLeases({
      store: t.store,
      clock: t.clock,
      home,
      settled,
      patience: { againMs: 5, times: 20 },
    });
  }

  async take(limit: number, least: number, most: number): Promise<number | null> {
    const allowance = this.leases.tokensOfDay(KEY);
    const got = await allowance.take(limit, least, most);
    if (got !== null) this.open.push({ allowance, held: got });
    return got;
  }

  end(which: number, share: number): void {
    const [one] = this.open.splice(which % Math.max(1, this.open.length), 1);
    if (!one) return;
    const used = Math.floor(one.held * share);
    this.#unsettled += used;
    one.allowance.settle(one.held, used);
  }

  /** As the journal is settled: what was used is in the sums from here on. */
  async settle(): Promise<void> {
    const tokens = this.#unsettled;
    this.#unsettled = 0;
    if (tokens === 0) return;
    const record = usageRecord("r", { at: this.#t.clock.ms, keyId: KEY, promptTokens: tokens, completionTokens: 0 });
    await this.#t.store.write((tx) => addToRollups(tx, [settledUsage(record)]), "beside others");
  }

  /** Granted to running requests, and used but not in the sums. */
  get outstanding(): number {
    return this.open.reduce((sum, { held }) => sum + held, 0) + this.#unsettled;
  }
}

async function used(t: TestStore): Promise<number> {
  return (await usedTokensOfDay(t.store.sql, utcDayStart(t.clock.ms), KEY)).get(KEY) ?? 0;
}

async function leased(t: TestStore): Promise<number> {
  const [row]: { units: unknown }[] = await t.store.sql`
    select cast(coalesce(sum(units), 0) as double precision) as units from limit_slices`;
  return toNumber(row?.units);
}

onEachDatabase((openTestStore, database) => {
  const real = database === "PostgreSQL";

  test("what two gateways give out together is never more than the limit, and all that is left can be had", async () => {
    await using t = await openTestStore();
    const [a, b] = [new Gateway(t, "a"), new Gateway(t, "b")];
    await Promise.all([a.leases.desk.open(() => false), b.leases.desk.open(() => false)]);
    const limit = 10_000;
    const grants = await Promise.all(
      Array.from({ length: 60 }, (_, at) => (at % 2 === 0 ? a : b).take(limit, 300, 300)),
    );
    const granted = grants.filter((units) => units !== null).length * 300;
    expect([granted, granted <= limit, granted > limit - 600]).toEqual([granted, true, true]);
    // All end with a third used; both say so, and the other's free units come when they are wanted.
    for (const gateway of [a, b]) while (gateway.open.length > 0) gateway.end(0, 1 / 3);
    await a.leases.look();
    await b.leases.look();
    const total = await used(t);
    expect(total).toBe(granted / 3);
    const looking = setInterval(() => void a.leases.look(), 5);
    const rest = await b.take(limit, limit - total, limit - total);
    clearInterval(looking);
    expect(rest).toBe(limit - total);
    expect(await a.take(limit, 1, 1)).toBeNull();
    b.end(0, 0);
    await Promise.all([a.leases.stop(), b.leases.stop()]);
    expect(await leased(t)).toBe(0);
  }, 20_000);

  test("most requests are decided without the database, and a lower limit counts at once", async () => {
    await using t = await openTestStore();
    const a = new Gateway(t, "a");
    const allowance = a.leases.tokensOfDay(KEY);
    expect(await allowance.take(1_000_000, 10, 1000)).toBe(1000);
    // The slice that was leased with it.
    for (let at = 0; at < 16; at += 1) expect(allowance.take(1_000_000, 10, 1000)).toBe(1000);
    expect(await allowance.take(17_000, 1, 1)).toBeNull();
    expect(await allowance.take(17_500, 1, 1000)).toBe(500);
    allowance.settle(17_500, 0);
    expect(allowance.standing()).toMatchObject({ used: 0, held: 0 });
    await a.leases.stop();
    expect(await leased(t)).toBe(0);
  });

  test("a slot is one process's at a time, and is passed on when another wants it", async () => {
    await using t = await openTestStore();
    const [a, b] = [new Gateway(t, "a"), new Gateway(t, "b")];
    const [mine, theirs] = [a.leases.slots(KEY), b.leases.slots(KEY)];
    expect(await mine.take(1, 1, 1)).toBe(1);
    expect(await theirs.take(1, 1, 1)).toBeNull();
    mine.settle(1, 0);
    // It knows of the other only from its own last word: from then on a slot that is free is nobody's.
    await a.leases.look();
    await a.leases.desk.ask("", () => Promise.resolve());
    t.clock.ms += 3000;
    await a.leases.look();
    await a.leases.desk.ask("", () => Promise.resolve());
    expect(await theirs.take(1, 1, 1)).toBe(1);
    theirs.settle(1, 0);
    await b.leases.desk.ask("", () => Promise.resolve());
    expect(await mine.take(1, 1, 1)).toBe(1);
    mine.settle(1, 0);
    await a.leases.desk.ask("", () => Promise.resolve());
    expect(await theirs.take(1, 1, 1)).toBe(1);
    theirs.settle(1, 0);
    await Promise.all([a.leases.stop(), b.leases.stop()]);
  }, 20_000);

  test("what a process held that was killed comes back when its directory starts again, with what it used counted", async () => {
    await using t = await openTestStore();
    const killed = new Gateway(t, "home");
    expect(await killed.take(1000, 400, 400)).toBe(400);
    expect(await killed.take(1000, 300, 300)).toBe(300);
    killed.end(0, 1);
    const other = new Gateway(t, "elsewhere");
    expect(await other.take(1000, 500, 500)).toBeNull();
    // It starts again: first the journal, then its limits.
    await killed.settle();
    const again = new Gateway(t, "home");
    await again.leases.desk.open((home) => home === again.home);
    expect(await used(t)).toBe(400);
    expect(await other.take(1000, 500, 600)).toBe(600);
    expect(await again.take(1000, 1, 1)).toBeNull();
    await Promise.all([again.leases.stop(), other.leases.stop()]);
  });

  test("a slice of a process that is not heard of any more comes back after its lease, and the late one begins anew", async () => {
    await using t = await openTestStore();
    const [late, other] = [new Gateway(t, "a"), new Gateway(t, "b")];
    expect(await late.take(1000, 400, 400)).toBe(400);
    expect(await other.take(1000, 800, 800)).toBeNull();
    if (real) {
      // The database's time cannot be moved: the lease is.
      const [row]: { holder: string }[] = await t.store.sql`select holder from limit_holders where home = 'a'`;
      await t.store.write((tx) => keepHolder(tx, { id: row?.holder ?? "", home: "a" }, Date.now() - 1000));
    }
    t.clock.ms += LEASE_MS;
    expect(late.leases.desk.live).toBe(false);
    expect(await other.take(1000, 800, 800)).toBe(800);
    // What it has free by its own books is not given out: it asks, and stands on what its requests have.
    expect(await late.take(1000, 1, 1)).toBeNull();
    expect(await leased(t)).toBeGreaterThanOrEqual(1200);
    late.end(0, 0);
    other.end(0, 0.5);
    await Promise.all([late.leases.stop(), other.leases.stop()]);
    await Promise.all([late.settle(), other.settle()]);
    expect(await used(t)).toBe(400);
    // What the lost lease had counts for nobody.
    expect(await new Gateway(t, "c").take(1000, 600, 600)).toBe(600);
  });

  test("after a while nothing is left of processes that died, of keys that fell silent and of days that are over", async () => {
    await using t = await openTestStore();
    const dead = new Gateway(t, "dead");
    await dead.take(1000, 10, 10);
    const rates = new StoreRates(dead.leases.desk, t.clock);
    await rates.requests(KEY).count(5, 1, 1);
    if (real) {
      const old = Date.now() - 3_600_000;
      await t.store.write(async (tx) => {
        await tx`update limit_holders set expires_at = ${old}`;
        await tx`update limit_uses set at = ${old}`;
      });
    }
    t.clock.ms += 3_600_000;
    const other = new Gateway(t, "other");
    await other.leases.desk.tend();
    t.clock.ms += 3_600_000;
    await other.leases.desk.tend();
    await other.leases.stop();
    for (const table of ["limit_holders", "limit_slices", "limit_uses", "limit_meters"]) {
      expect([table, (await t.store.sql`select * from ${t.store.sql(table)}`.values()).length]).toEqual([table, 0]);
    }
  });

  test("while the database is away a slice is used up, and then a refusal says why, until the database is back", async () => {
    await using t = await openTestStore();
    const a = new Gateway(t, "a");
    const principal = { ...ANONYMOUS, keyId: KEY, limits: { ...UNLIMITED, dailyTokens: 100_000 } };
    const policy = dailyQuotaPolicy(a.leases, t.clock);
    const admit = () => policy.admit({ principal, promptTokensEstimate: 4000, maxOutputTokens: 10 });
    expect(await admit()).toMatchObject({ ok: true });
    await t.store.close();
    // Leased with the first: an eighth of what was left.
    expect(admit()).toMatchObject({ ok: true });
    expect(admit()).toMatchObject({ ok: true });
    const refused = { kind: "rate_limited", limit: "daily_tokens", message: expect.stringContaining("database") };
    expect(await admit()).toMatchObject({ ok: false, error: refused });
    // The next one hears it at once.
    expect(admit()).toMatchObject({ ok: false, error: refused });
    t.clock.ms += LEASE_MS;
    expect(a.leases.desk.live).toBe(false);
  });

  test("whatever the order of takes, ends, looks, crashes and restarts, the limit holds and all comes back", async () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant("take" as const),
        by: fc.nat(1),
        least: fc.integer({ min: 1, max: 400 }),
        more: fc.nat(800),
      }),
      fc.record({
        do: fc.constant("end" as const),
        by: fc.nat(1),
        which: fc.nat(9),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.record({ do: fc.constant("look" as const), by: fc.nat(1) }),
      fc.record({ do: fc.constant("wait" as const), ms: fc.nat(9000) }),
      fc.record({ do: fc.constant("restart" as const), by: fc.nat(1) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5000 }), fc.array(step, { maxLength: 40 }), async (limit, steps) => {
        await using t = await openTestStore();
        const gateways = [new Gateway(t, "a"), new Gateway(t, "b")];
        const waiting: Promise<unknown>[] = [];
        for (const action of steps) {
          if (action.do === "wait") {
            t.clock.ms += action.ms;
            continue;
          }
          const gateway = gateways[action.by];
          if (!gateway) throw new Error("no such gateway");
          // Taken beside whatever else happens; a take that must wait for others is waited for at the end.
          if (action.do === "take") waiting.push(gateway.take(limit, action.least, action.least + action.more));
          if (action.do === "end") gateway.end(action.which, action.share);
          if (action.do === "look") await gateway.leases.look();
          if (action.do === "restart") {
            // A process that is gone asks for nothing any more: here its object would.
            await Promise.all(waiting);
            await gateway.leases.desk.ask("", () => Promise.resolve());
            await gateway.settle();
            const again = new Gateway(t, action.by === 0 ? "a" : "b");
            await again.leases.desk.open((home) => home === again.home);
            // What ran there is gone, and nobody is left to be given anything.
            gateway.open = [];
            gateways[action.by] = again;
          }
          const outstanding = gateways.reduce((sum, one) => sum + one.outstanding, 0);
          const total = await used(t);
          expect([limit, total + outstanding <= limit]).toEqual([limit, true]);
        }
        // The clock goes on, so that nobody waits for what others have to spare for ever.
        const going = setInterval(() => {
          t.clock.ms += 1000;
          for (const one of gateways) void one.leases.look().catch(() => undefined);
        }, 5);
        await Promise.all(waiting);
        clearInterval(going);
        for (const one of gateways) while (one.open.length > 0) one.end(0, 0);
        for (const one of gateways) {
          await one.settle();
          await one.leases.stop();
        }
        const last = new Gateway(t, "c");
        const left = limit - (await used(t));
        expect(left).toBeGreaterThanOrEqual(0);
        if (left > 0) expect(await last.take(limit, left, left)).toBe(left);
      }),
      { numRuns: real ? 8 : 25 },
    );
  }, 60_000);
});
