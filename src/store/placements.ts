import { type Row, toNumber, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

/** One copy of a model on one node: there (`serving`), on its way (`loading`), or remembered of a node that is away. */
export interface StoredPlacement {
  /** The replica's id. */
  readonly id: string;
  readonly model: string;
  readonly nodeId: string;
  readonly engine: string;
  readonly engineModel: string;
  readonly state: "loading" | "serving";
  /** Who put it there: `found there`, `assigned: …`, `moved from …`. */
  readonly reason: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

function fromRow(row: Row): StoredPlacement {
  return {
    id: toText(row["id"]),
    model: toText(row["model"]),
    nodeId: toText(row["node_id"]),
    engine: toText(row["engine"]),
    engineModel: toText(row["engine_model"]),
    state: row["state"] === "loading" ? "loading" : "serving",
    reason: toText(row["reason"]),
    createdAt: toNumber(row["created_at"]),
    updatedAt: toNumber(row["updated_at"]),
  };
}

export async function listPlacements(sql: Sql): Promise<StoredPlacement[]> {
  const rows: Row[] = await sql`select * from placements order by model, node_id, id`;
  return rows.map(fromRow);
}

export async function putPlacement(tx: Tx, placement: StoredPlacement): Promise<void> {
  const { id, model, nodeId, engine, engineModel, state, reason, createdAt, updatedAt } = placement;
  await tx`
    insert into placements (id, model, node_id, engine, engine_model, state, reason, created_at, updated_at)
    values (${id}, ${model}, ${nodeId}, ${engine}, ${engineModel}, ${state}, ${reason}, ${createdAt}, ${updatedAt})
    on conflict (id) do update set model = excluded.model, engine = excluded.engine,
      engine_model = excluded.engine_model, state = excluded.state, updated_at = excluded.updated_at`;
}

export async function deletePlacement(tx: Tx, id: string): Promise<void> {
  await tx`delete from placements where id = ${id}`;
}

export async function deletePlacementsOf(tx: Tx, nodeId: string): Promise<void> {
  await tx`delete from placements where node_id = ${nodeId}`;
}
