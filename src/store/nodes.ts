import { nextVersion } from "./change-counts.ts";
import { type Row, toJson, toNumber, toNumberOrNull, toText } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

/** What calls of a node are checked with. */
export interface StoredNodeKeys {
  readonly linkKey: string;
  readonly certificate: string;
}

/** A machine of the cluster, as it is kept. The leader's own is there too, so that it can be drained. */
export interface StoredNode {
  readonly id: string;
  /** Unique among nodes. */
  readonly name: string;
  readonly role: "leader" | "worker";
  /** `host:port` of its own node port, the likeliest first; empty: it dials out only. */
  readonly addresses: readonly string[];
  /** Null: the leader's own, which makes no calls. */
  readonly keys: StoredNodeKeys | null;
  /** Since when these are its keys. */
  readonly keysAt: number;
  /** Of a rotation, not used yet. */
  readonly nextKeys: StoredNodeKeys | null;
  /** Stays the same over a reinstall. */
  readonly machine: string;
  /** May a model be put on it without being asked for. */
  readonly assign: boolean;
  /** The one leader that it beats to; "": there is one. */
  readonly leader: string;
  readonly version: string;
  /** As it told last; JSON. Null: never. */
  readonly inventory: unknown;
  readonly joinedAt: number;
  readonly lastSeenAt: number | null;
  readonly drainedAt: number | null;
  /** Not null: it was removed, and is there only to be refused. Its name is its id then. */
  readonly removedAt: number | null;
}

function fromRow(row: Row): StoredNode {
  return {
    id: toText(row["id"]),
    name: toText(row["name"]),
    role: row["role"] === "leader" ? "leader" : "worker",
    addresses: toText(row["address"])
      .split(" ")
      .filter((address) => address !== ""),
    keys: toKeys(row["public_key"]),
    keysAt: toNumber(row["keys_at"]),
    nextKeys: toKeys(row["next_key"]),
    machine: toText(row["machine"]),
    assign: toNumber(row["assign"]) !== 0,
    leader: toText(row["leader"]),
    version: toText(row["version"]),
    inventory: toJson(row["inventory"]),
    joinedAt: toNumber(row["joined_at"]),
    lastSeenAt: toNumberOrNull(row["last_seen_at"]),
    drainedAt: toNumberOrNull(row["drained_at"]),
    removedAt: toNumberOrNull(row["removed_at"]),
  };
}

function toKeys(value: unknown): StoredNodeKeys | null {
  return value === "" || value === null ? null : (toJson(value) as StoredNodeKeys);
}

function fromKeys(keys: StoredNodeKeys | null): string {
  return keys === null ? "" : JSON.stringify(keys);
}

/** In the order in which they joined, removed ones included. */
export async function listNodes(sql: Sql): Promise<StoredNode[]> {
  const rows: Row[] = await sql`select * from nodes order by joined_at, id`;
  return rows.map(fromRow);
}

/** A node of the same id is replaced; one of the same name must have been removed before. */
export async function putNode(tx: Tx, node: StoredNode): Promise<void> {
  await nextVersion(tx, "nodes");
  const row = {
    id: node.id,
    name: node.name,
    role: node.role,
    address: node.addresses.join(" "),
    public_key: fromKeys(node.keys),
    keys_at: node.keysAt,
    next_key: fromKeys(node.nextKeys),
    machine: node.machine,
    assign: node.assign ? 1 : 0,
    leader: node.leader,
    version: node.version,
    inventory: node.inventory === null ? null : JSON.stringify(node.inventory),
    joined_at: node.joinedAt,
    last_seen_at: node.lastSeenAt,
    drained_at: node.drainedAt,
    removed_at: node.removedAt,
  };
  await tx`
    insert into nodes ${tx(row)}
    on conflict (id) do update set name = excluded.name, role = excluded.role, address = excluded.address,
      public_key = excluded.public_key, keys_at = excluded.keys_at, next_key = excluded.next_key, machine = excluded.machine,
      assign = excluded.assign, leader = excluded.leader, version = excluded.version, inventory = excluded.inventory,
      joined_at = excluded.joined_at, last_seen_at = excluded.last_seen_at, drained_at = excluded.drained_at,
      removed_at = excluded.removed_at`;
}

/** What its leader alone changes of it. A node that somebody removed meanwhile stays as it is. */
export type NodeTold = Partial<Pick<StoredNode, "addresses" | "leader" | "version" | "keys" | "keysAt" | "nextKeys">>;

export async function updateNode(tx: Tx, id: string, told: NodeTold): Promise<void> {
  const row: Record<string, unknown> = {};
  if (told.addresses !== undefined) row["address"] = told.addresses.join(" ");
  if (told.leader !== undefined) row["leader"] = told.leader;
  if (told.version !== undefined) row["version"] = told.version;
  if (told.keys !== undefined) row["public_key"] = fromKeys(told.keys);
  if (told.keysAt !== undefined) row["keys_at"] = told.keysAt;
  if (told.nextKeys !== undefined) row["next_key"] = fromKeys(told.nextKeys);
  await tx`update nodes set ${tx(row)} where id = ${id} and removed_at is null`;
}

/** `at` null: it takes requests again. */
export async function setDrained(tx: Tx, id: string, at: number | null): Promise<void> {
  await nextVersion(tx, "nodes");
  await tx`update nodes set drained_at = ${at} where id = ${id} and removed_at is null`;
}

export interface SeenNode {
  readonly id: string;
  readonly at: number;
  readonly inventory: unknown;
}

/** Once in a while for all, not at each heartbeat. In the order of ids: several writers must not lock rows crosswise. */
export async function markSeen(tx: Tx, seen: readonly SeenNode[]): Promise<void> {
  for (const { id, at, inventory } of [...seen].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    await tx`update nodes set last_seen_at = ${at}, inventory = ${JSON.stringify(inventory)} where id = ${id}`;
  }
}

/** It is refused from now on; its name is free, its placements are gone. */
export async function markRemoved(tx: Tx, id: string, at: number): Promise<void> {
  await nextVersion(tx, "nodes");
  await tx`delete from placements where node_id = ${id}`;
  await tx`update nodes set removed_at = ${at}, name = id, machine = '' where id = ${id}`;
}

/** As the database has it, which may be newer than what this leader has in memory. */
export async function isRemoved(tx: Tx, id: string): Promise<boolean> {
  const rows: Row[] = await tx`select id from nodes where id = ${id} and removed_at is not null`;
  return rows.length > 0;
}

/** Forgets nodes that were removed before this. */
export async function forgetRemoved(tx: Tx, before: number): Promise<void> {
  await tx`
    delete from nodes where removed_at < ${before}
      and id not in (select node_id from placements) and id not in (select node_id from shards)`;
}
