import { newId } from "../core/id.ts";
import { type Row, toNumber, toText, toTextOrNull } from "./row-value.ts";
import type { Sql, Tx } from "./store.ts";

export interface User {
  readonly id: string;
  readonly name: string;
  readonly teamId: string | null;
  readonly createdAt: number;
}

function fromRow(row: Row): User {
  return {
    id: toText(row["id"]),
    name: toText(row["name"]),
    teamId: toTextOrNull(row["team_id"]),
    createdAt: toNumber(row["created_at"]),
  };
}

async function findUser(sql: Sql, nameOrId: string): Promise<User | null> {
  const rows: Row[] = await sql`select * from users where id = ${nameOrId} or name = ${nameOrId} limit 1`;
  return rows[0] === undefined ? null : fromRow(rows[0]);
}

/** The user of this name or id; made when there is none. */
export async function ensureUser(tx: Tx, nameOrId: string, now: number): Promise<User> {
  const found = await findUser(tx, nameOrId);
  if (found !== null) return found;
  const user: User = { id: newId("user"), name: nameOrId, teamId: null, createdAt: now };
  await tx`insert into users ${tx({ id: user.id, name: user.name, team_id: null, created_at: now })}`;
  return user;
}
