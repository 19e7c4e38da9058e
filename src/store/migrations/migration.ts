import type { Tx } from "../store.ts";

/** One step of the schema. Once released it never changes: a correction is a new migration. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  up(tx: Tx): Promise<void>;
}
