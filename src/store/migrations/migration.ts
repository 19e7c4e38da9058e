import type { Db, Tx } from "../store.ts";

/** One step of the schema. Once released it never changes: a correction is a new migration. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** Statements are the same on both databases wherever they can be. */
  up(tx: Tx, kind: Db["kind"]): Promise<void>;
}
