import { newId } from "../core/id.ts";
import { type KeyLimits, type Priority, type Scope, UNLIMITED } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import { audited } from "../store/audited.ts";
import {
  allKeys,
  countLiveAdmins,
  findKey,
  insertKey,
  type KeyRecord,
  liveKeyNamed,
  markRevoked,
} from "../store/keys.ts";
import type { Store, Tx } from "../store/store.ts";
import { ensureUser } from "../store/users.ts";
import { hashSecret, newSecret, secretPrefix } from "./key-secret.ts";
import { invalid, lastAdmin, nameTaken, notFound, type TokenProblem } from "./token-problem.ts";

/** What is told about a key: everything but the hash. */
export type TokenView = Omit<KeyRecord, "hash">;

export interface TokenInput {
  /** Unique among live keys; made up when not given. */
  readonly name?: string;
  readonly scope: Scope;
  /** What is not given is unlimited. */
  readonly limits?: Partial<KeyLimits>;
  readonly models?: readonly string[];
  readonly expiresAt?: number | null;
  readonly localOnly?: boolean;
  readonly priority?: Priority;
  /** Name or id of the user; one of the key's name is made when not given. */
  readonly owner?: string;
}

export interface CreatedToken {
  /** The plaintext. Shown once, kept nowhere. */
  readonly secret: string;
  readonly key: TokenView;
}

/** Where changes go once they are committed: the ring of this process. Absent in an offline command. */
export interface KeySink {
  put(key: KeyRecord): void;
}

export interface TokenDeps {
  readonly store: Store;
  readonly ring?: KeySink;
}

/** Makes a key. `actor` is the name of whoever asks; it stands in the audit log. */
export async function createToken(
  deps: TokenDeps,
  input: TokenInput,
  actor: string,
): Promise<Result<CreatedToken, TokenProblem>> {
  return createTokenWithSecret(deps, input, actor, newSecret());
}

/** For the first admin key, whose secret is on disk before it is in the store. */
export async function createTokenWithSecret(
  { store, ring }: TokenDeps,
  input: TokenInput,
  actor: string,
  secret: string,
): Promise<Result<CreatedToken, TokenProblem>> {
  const problem = check(input, store.clock.now());
  if (problem !== null) return err(problem);
  const created = await audited(store, { actor, action: "token.create" }, async (tx) => {
    const name = input.name ?? newId("key", 6);
    if (await liveKeyNamed(tx, name)) return err(nameTaken(name));
    const key = await build(tx, { ...input, name }, secret, store.clock.now());
    await insertKey(tx, key);
    return ok({ target: key.id, before: null, after: toView(key), value: key });
  });
  if (!created.ok) return created;
  ring?.put(created.value);
  return ok({ secret, key: toView(created.value) });
}

async function build(tx: Tx, input: TokenInput & { name: string }, secret: string, now: number): Promise<KeyRecord> {
  const user = await ensureUser(tx, input.owner ?? input.name, now);
  return {
    id: newId("key"),
    name: input.name,
    userId: user.id,
    userName: user.name,
    scope: input.scope,
    hash: hashSecret(secret),
    prefix: secretPrefix(secret),
    limits: { ...UNLIMITED, ...input.limits },
    models: toModelList(input.models ?? []),
    localOnly: input.localOnly ?? false,
    priority: input.priority ?? "interactive",
    createdAt: now,
    expiresAt: input.expiresAt ?? null,
    revokedAt: null,
    lastUsedAt: null,
  };
}

/** All keys, revoked ones included, oldest first. */
export async function listTokens(store: Store): Promise<TokenView[]> {
  return (await allKeys(store.sql)).map(toView);
}

/** Revokes by id or name, at once for new requests. Revoking twice is harmless. The last live admin key stays. */
export async function revokeToken(
  { store, ring }: TokenDeps,
  idOrName: string,
  actor: string,
): Promise<Result<TokenView, TokenProblem>> {
  const revoked = await audited(store, { actor, action: "token.revoke" }, async (tx) => {
    const key = await findKey(tx, idOrName);
    if (key === null) return err(notFound(idOrName));
    const now = store.clock.now();
    const unchanged = key.revokedAt !== null;
    if (!unchanged) {
      const live = key.expiresAt === null || key.expiresAt > now;
      if (key.scope === "admin" && live && (await countLiveAdmins(tx, now)) === 1) return err(lastAdmin(key.name));
      await markRevoked(tx, key.id, now);
    }
    const after: KeyRecord = unchanged ? key : { ...key, revokedAt: now };
    return ok({ target: key.id, before: toView(key), after: toView(after), value: after, unchanged });
  });
  if (!revoked.ok) return revoked;
  ring?.put(revoked.value);
  return ok(toView(revoked.value));
}

export function toView(key: KeyRecord): TokenView {
  const { hash: _hash, ...view } = key;
  return view;
}

// One word for a shell: names are typed as arguments and printed in commands.
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/;

function check(input: TokenInput, now: number): TokenProblem | null {
  for (const field of ["name", "owner"] as const) {
    const value = input[field];
    if (value !== undefined && !NAME.test(value)) {
      return invalid(field, "1 to 64 letters, digits or . _ @ + -, starting with a letter or digit");
    }
  }
  return checkRights(input, now);
}

/** What a creation and a change have in common. */
export function checkRights(
  input: Pick<TokenInput, "limits" | "models" | "expiresAt">,
  now: number,
): TokenProblem | null {
  for (const [field, limit] of Object.entries(input.limits ?? {})) {
    if (!Number.isSafeInteger(limit) || limit < 0) {
      return invalid(`limits.${field}`, `${limit} is not a whole number from 0 (unlimited) up`);
    }
  }
  if (input.expiresAt !== undefined && input.expiresAt !== null) {
    if (!Number.isSafeInteger(input.expiresAt)) return invalid("expiresAt", "not a time in ms since the epoch");
    if (input.expiresAt <= now) return invalid("expiresAt", "the time has passed already");
  }
  if (input.models?.some((model) => model === "") === true) return invalid("models", "an empty model name");
  return null;
}

/** Each name once; a list that allows everything is no list. */
export function toModelList(models: readonly string[]): readonly string[] {
  return models.includes("*") ? [] : [...new Set(models)];
}
