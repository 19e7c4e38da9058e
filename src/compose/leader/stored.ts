import { join } from "node:path";
import type { CleanUp } from "../clean-up.ts";
import { gatewayId } from "./limits.ts";
import { openRecords, type Records, settleLeftovers } from "./records.ts";
import type { StartOptions } from "../start-options.ts";
import { systemClock } from "../../core/clock.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { StartProblem } from "../../leader/start-problem.ts";
import { storeAddress } from "../../store/address.ts";
import { changeCounts } from "../../store/change-counts.ts";
import { allKeys } from "../../store/keys.ts";
import { openStore } from "../../store/open-store.ts";
import type { Store } from "../../store/store.ts";
import { storeOrFileProblemOf } from "../../store/store-problem.ts";
import { type AdminKeyState, bootstrapAdmin } from "../../tenancy/bootstrap-admin.ts";
import { KeyRing } from "../../tenancy/key-ring.ts";

/** What outlives a leader: the database, usage on its way there, the keys. */
export interface Stored {
  readonly store: Store;
  readonly records: Records;
  /** This leader among several on the database; "": there is one. */
  readonly leader: string;
  readonly ring: KeyRing;
  /** Number of the newest change of keys that `ring` may hold already: read before the keys were. */
  readonly keysSeen: number;
  readonly adminKey: AdminKeyState;
}

/**
 * Opens it, with the usage of earlier processes settled and an admin key made where there is none. `earlier`: processes that
 * still give answers.
 */
export async function openStored(
  { config: { values }, log }: StartOptions,
  earlier: readonly number[],
  cleanUp: CleanUp,
): Promise<Result<Stored, StartProblem>> {
  const dataDir = values.data_dir;
  const opened = await openStore({ dsn: values.storage.dsn, dataDir, clock: systemClock, log });
  if (!opened.ok) return err({ kind: "store", message: opened.error.message, mend: opened.error.mend });
  const store = opened.value;
  cleanUp.push(() => store.close());
  const recording = { store, dir: join(dataDir, "journal"), fsync: values.usage.fsync, log };
  await settleLeftovers(recording);
  const records = openRecords(recording, earlier);
  cleanUp.push(() => records.close());

  // A database that is a server may be shared; a file has one leader.
  const leader = store.kind === "sqlite" ? "" : gatewayId(dataDir);
  const keysSeen = (await changeCounts(store.sql)).keys;
  const ring = new KeyRing(systemClock, await allKeys(store.sql));
  const adminKey = await bootstrapAdmin({ store, ring }, dataDir);
  if (!adminKey.ok) {
    const message = `the admin key could not be made: ${adminKey.error.kind}`;
    return err({ kind: "store", message, mend: "flock config check" });
  }
  if (adminKey.value.kind === "unusable") log.warn(adminKey.value.message, { mend: adminKey.value.mend });
  return ok({ store, records, leader, ring, keysSeen, adminKey: adminKey.value });
}

/** What the disk or the database threw in the middle of a start; null: a bug. */
export function toStartProblem(cause: unknown, { config }: StartOptions): StartProblem | null {
  const address = storeAddress(config.values.storage.dsn, config.values.data_dir);
  const problem = address.ok ? storeOrFileProblemOf(cause, address.value) : address.error;
  return problem === null ? null : { kind: "store", message: problem.message, mend: problem.mend };
}
