import type { KeyLimits, Priority } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import { audited } from "../store/audited.ts";
import { findKey, type KeyRecord, updateKey } from "../store/keys.ts";
import { invalid, notFound, revokedAlready, type TokenProblem } from "./token-problem.ts";
import { checkRights, toModelList, toView, type TokenDeps, type TokenView } from "./tokens.ts";

/** What is not given stays as it is. */
export interface TokenChanges {
  /** 0 takes a limit away. */
  readonly limits?: Partial<KeyLimits>;
  /** Empty: all models. */
  readonly models?: readonly string[];
  /** Null: it never expires. */
  readonly expiresAt?: number | null;
  readonly localOnly?: boolean;
  readonly priority?: Priority;
}

export interface EditDeps extends TokenDeps {
  /** Runs once the change is committed and before it counts. */
  readonly beforePut?: (before: KeyRecord, after: KeyRecord) => Promise<void>;
}

/** Changes what a key may do, by id or name, for requests that come from now on; the secret stays. */
export async function editToken(
  { store, ring, beforePut }: EditDeps,
  idOrName: string,
  changes: TokenChanges,
  actor: string,
): Promise<Result<TokenView, TokenProblem>> {
  const problem = checkRights(changes, store.clock.now());
  if (problem !== null) return err(problem);
  if (Object.keys(changes).length === 0) return err(invalid(null, "nothing to change was given"));
  const edited = await audited(store, { actor, action: "token.edit" }, async (tx) => {
    const key = await findKey(tx, idOrName);
    if (key === null) return err(notFound(idOrName));
    if (key.revokedAt !== null) return err(revokedAlready(key.name));
    const after = apply(key, changes);
    const unchanged = JSON.stringify(after) === JSON.stringify(key);
    if (!unchanged) await updateKey(tx, after);
    return ok({ target: key.id, before: toView(key), after: toView(after), value: { key, after }, unchanged });
  });
  if (!edited.ok) return edited;
  const { key, after } = edited.value;
  if (beforePut) await beforePut(key, after);
  ring?.put(after);
  return ok(toView(after));
}

function apply(key: KeyRecord, { limits, models, expiresAt, localOnly, priority }: TokenChanges): KeyRecord {
  return {
    ...key,
    limits: { ...key.limits, ...limits },
    models: models === undefined ? key.models : toModelList(models),
    localOnly: localOnly ?? key.localOnly,
    priority: priority ?? key.priority,
    expiresAt: expiresAt === undefined ? key.expiresAt : expiresAt,
  };
}
