import { SQL } from "bun";
import { existsSync } from "node:fs";
import { connect } from "./connect.ts";
import { allSettings } from "./settings.ts";
import type { StoreAddress } from "./store.ts";

const ANSWER_MS = 2000;
const NONE: ReadonlyMap<string, unknown> = new Map();

/**
 * What was changed at run time, for a command that only looks: makes and changes nothing, and gives nothing where the
 * database is not there, too old, or does not answer. Works while Flock runs.
 */
export async function readSettings(address: StoreAddress): Promise<ReadonlyMap<string, unknown>> {
  if (address.kind === "sqlite" && !existsSync(address.path)) return NONE;
  try {
    if (address.kind === "sqlite") {
      const sql = new SQL({ adapter: "sqlite", filename: address.path, readonly: true });
      try {
        return await allSettings(sql);
      } finally {
        await sql.close();
      }
    }
    const db = await connect(address, { thread: "worker", statementMs: ANSWER_MS });
    try {
      return await allSettings(db.sql);
    } finally {
      await db.close();
    }
  } catch {
    return NONE;
  }
}
