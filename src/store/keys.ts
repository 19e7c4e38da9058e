import { type KeyLimits, type Priority, type Scope, UNLIMITED } from "../core/principal.ts";
import { nextVersion } from "./change-counts.ts";
import { type Row, toJson, toNumber, toNumberOrNull, toText } from "./row-value.ts";
import { storableText } from "./storable.ts";
import type { Sql, Tx } from "./store.ts";

/** A key as it is stored: the hash of its secret, never the secret. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly userId: string;
  readonly userName: string;
  readonly scope: Scope;
  /** SHA-256 of the secret, hex. Never leaves the process. */
  readonly hash: string;
  /** The first characters of the secret, for people to tell keys apart. */
  readonly prefix: string;
  readonly limits: KeyLimits;
  /** Empty: all models. */
  readonly models: readonly string[];
  readonly localOnly: boolean;
  readonly priority: Priority;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
}

const ALL_MODELS: readonly string[] = [];

function fromRow(row: Row): KeyRecord {
  return {
    id: toText(row["id"]),
    name: toText(row["name"]),
    userId: toText(row["user_id"]),
    userName: toText(row["user_name"]),
    scope: toScope(row["scope"]),
    hash: toText(row["hash"]),
    prefix: toText(row["prefix"]),
    limits: toLimits(row),
    models: row["models"] === "[]" ? ALL_MODELS : (toJson(row["models"]) as readonly string[]),
    localOnly: toNumber(row["local_only"]) !== 0,
    priority: row["priority"] === "batch" ? "batch" : "interactive",
    createdAt: toNumber(row["created_at"]),
    expiresAt: toNumberOrNull(row["expires_at"]),
    revokedAt: toNumberOrNull(row["revoked_at"]),
    lastUsedAt: toNumberOrNull(row["last_used_at"]),
  };
}

/** An unknown scope gives the least: a row of a later version must not become an admin. */
function toScope(value: unknown): Scope {
  return value === "admin" || value === "node" ? value : "user";
}

function toLimits(row: Row): KeyLimits {
  const limits: KeyLimits = {
    dailyTokens: toNumber(row["daily_tokens"]),
    requestsPerMinute: toNumber(row["requests_per_minute"]),
    tokensPerMinute: toNumber(row["tokens_per_minute"]),
    concurrency: toNumber(row["concurrency"]),
  };
  // Most keys have no limits: one shared value keeps 100,000 of them small.
  return Object.values(limits).every((limit) => limit === 0) ? UNLIMITED : limits;
}

/** Every key, revoked ones included, oldest first. */
export async function allKeys(sql: Sql): Promise<KeyRecord[]> {
  const rows: Row[] = await sql`
    select keys.*, users.name as user_name from keys join users on users.id = keys.user_id
    order by keys.created_at, keys.id`;
  return rows.map(fromRow);
}

/** By id, else by name: the live key of that name, else the one revoked last. */
export async function findKey(sql: Sql, asked: string): Promise<KeyRecord | null> {
  const idOrName = storableText(asked);
  const rows: Row[] = await sql`
    select keys.*, users.name as user_name from keys join users on users.id = keys.user_id
    where keys.id = ${idOrName} or keys.name = ${idOrName}
    order by case when keys.id = ${idOrName} then 0 when keys.revoked_at is null then 1 else 2 end, keys.revoked_at desc
    limit 1`;
  return rows[0] === undefined ? null : fromRow(rows[0]);
}

export async function findKeyByHash(sql: Sql, hash: string): Promise<KeyRecord | null> {
  const rows: Row[] = await sql`
    select keys.*, users.name as user_name from keys join users on users.id = keys.user_id where keys.hash = ${hash}`;
  return rows[0] === undefined ? null : fromRow(rows[0]);
}

export async function liveKeyNamed(sql: Sql, name: string): Promise<boolean> {
  const rows: Row[] = await sql`select id from keys where name = ${name} and revoked_at is null`;
  return rows.length > 0;
}

/** Admin keys that work at `now`. */
export async function countLiveAdmins(sql: Sql, now: number): Promise<number> {
  const rows: Row[] = await sql`
    select cast(count(*) as integer) as n from keys
    where scope = 'admin' and revoked_at is null and (expires_at is null or expires_at > ${now})`;
  return toNumber(rows[0]?.["n"]);
}

export async function countKeysOfScope(sql: Sql, scope: Scope): Promise<number> {
  const rows: Row[] = await sql`select cast(count(*) as integer) as n from keys where scope = ${scope}`;
  return toNumber(rows[0]?.["n"]);
}

/** Keys that any process on this database made, changed or revoked after that version of the counter. */
export async function keysChangedAfter(sql: Sql, version: number): Promise<KeyRecord[]> {
  const rows: Row[] = await sql`
    select keys.*, users.name as user_name from keys join users on users.id = keys.user_id
    where keys.version > ${version}`;
  return rows.map(fromRow);
}

export async function insertKey(tx: Tx, key: KeyRecord): Promise<void> {
  const row = {
    id: key.id,
    name: key.name,
    user_id: key.userId,
    scope: key.scope,
    hash: key.hash,
    prefix: key.prefix,
    daily_tokens: key.limits.dailyTokens,
    requests_per_minute: key.limits.requestsPerMinute,
    tokens_per_minute: key.limits.tokensPerMinute,
    concurrency: key.limits.concurrency,
    models: JSON.stringify(key.models),
    local_only: key.localOnly ? 1 : 0,
    priority: key.priority,
    created_at: key.createdAt,
    expires_at: key.expiresAt,
    revoked_at: key.revokedAt,
    last_used_at: key.lastUsedAt,
    version: await nextVersion(tx, "keys"),
  };
  await tx`insert into keys ${tx(row)}`;
}

/** Writes what a person may change of a key. */
export async function updateKey(tx: Tx, key: KeyRecord): Promise<void> {
  const row = {
    daily_tokens: key.limits.dailyTokens,
    requests_per_minute: key.limits.requestsPerMinute,
    tokens_per_minute: key.limits.tokensPerMinute,
    concurrency: key.limits.concurrency,
    models: JSON.stringify(key.models),
    local_only: key.localOnly ? 1 : 0,
    priority: key.priority,
    expires_at: key.expiresAt,
    version: await nextVersion(tx, "keys"),
  };
  await tx`update keys set ${tx(row)} where id = ${key.id}`;
}

export async function markRevoked(tx: Tx, id: string, at: number): Promise<void> {
  const version = await nextVersion(tx, "keys");
  await tx`update keys set revoked_at = ${at}, version = ${version} where id = ${id} and revoked_at is null`;
}

/** Moves `last_used_at` forward, never back. In the order of ids: several writers must not lock keys crosswise. */
export async function markUsed(tx: Tx, lastUsed: ReadonlyMap<string, number>): Promise<void> {
  for (const [id, at] of [...lastUsed].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await tx`update keys set last_used_at = ${at} where id = ${id} and (last_used_at is null or last_used_at < ${at})`;
  }
}
