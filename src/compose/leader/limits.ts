import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, utcDayStart } from "../../core/clock.ts";
import { isAlive } from "../../cluster/process-identity.ts";
import { newId } from "../../core/id.ts";
import { writePrivateFile } from "../../core/private-file.ts";
import type { Records } from "./records.ts";
import type { QuotaStart } from "../admin/tokens.ts";
import { usedTokensOfDay } from "../../store/rollups.ts";
import type { Store } from "../../store/store.ts";
import { keyLimits } from "../../tenancy/key-limits.ts";
import { LocalLeases } from "../../tenancy/local-leases.ts";
import { LocalRates } from "../../tenancy/local-rates.ts";
import { MovingLeases } from "../../tenancy/moving-leases.ts";
import { StoreLeases } from "../../tenancy/store-leases.ts";
import { StoreRates } from "../../tenancy/store-rates.ts";

const SETTLE_MS = 5000;

export interface LimitParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly dataDir: string;
  readonly records: Records;
}

export interface Limits {
  readonly gateway: ReturnType<typeof keyLimits>;
  readonly quotas: QuotaStart;
  /** Another process is about to serve this data directory too: see `MovingLeases`. */
  handOver(): Promise<void>;
  takeBack(): void;
  /** Once no request runs and all usage is in the store. */
  stop(): Promise<void>;
}

/**
 * A SQLite file has one gateway, which counts in memory, and two for the moment of a restart. A PostgreSQL database may have several: they share each limit
 * through it. The usage of an earlier process here must be in the store already.
 */
export async function openLimits({ store, clock, dataDir, records }: LimitParts): Promise<Limits> {
  const settled = async (): Promise<boolean> => {
    // What requests of this moment wrote down is in the journal's file after the tick's end.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    if (records.health().pending > 0) return false;
    return records.settler.settled(AbortSignal.timeout(SETTLE_MS)).then(
      () => true,
      () => false,
    );
  };
  const id = gatewayId(dataDir);
  const shared = (): StoreLeases => new StoreLeases({ store, clock, home: `${id}/${process.pid}`, settled });
  if (store.kind === "sqlite") {
    const leases = new MovingLeases({
      local: (used) => new LocalLeases(clock, used),
      shared,
      isGone: (home) => isGone(home, id),
      used: () => usedTokensOfDay(store.sql, utcDayStart(clock.now())),
      settled,
    });
    await leases.start();
    const gateway = keyLimits(leases, new LocalRates(clock), clock);
    return {
      gateway,
      quotas: leases,
      handOver: () => leases.handOver(),
      takeBack: () => leases.takeBack(),
      stop: () => leases.stop(),
    };
  }
  const leases = shared();
  await leases.start((home) => isGone(home, id));
  return {
    gateway: keyLimits(leases, new StoreRates(leases.desk, clock), clock),
    // The database itself knows what a key has used, whether or not it had a quota.
    quotas: { startFrom: () => undefined },
    // They share it already.
    handOver: () => Promise.resolve(),
    takeBack: () => undefined,
    stop: () => leases.stop(),
  };
}

/** A process of this data directory that ended: one that has handed over to this one may still be answering. */
function isGone(home: string, id: string): boolean {
  const [directory, pid] = home.split("/");
  return directory === id && (Number(pid) === process.pid || !isAlive(Number(pid)));
}

/** Stays with the data directory: the next process there knows by it what the last one held. */
export function gatewayId(dataDir: string): string {
  const path = join(dataDir, "gateway.id");
  const known = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  if (/^gw_[0-9a-z]{16}$/.test(known)) return known;
  const id = newId("gw");
  // Whole or not at all: with another name its nodes would be another leader's.
  writePrivateFile(path, `${id}\n`);
  return id;
}
