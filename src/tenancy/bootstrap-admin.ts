import { ok, type Result } from "../core/result.ts";
import { countKeysOfScope, countLiveAdmins, findKeyByHash, type KeyRecord, liveKeyNamed } from "../store/keys.ts";
import { adminKeyPath, readAdminKey, writeAdminKey } from "./admin-key-file.ts";
import { hashSecret, newSecret } from "./key-secret.ts";
import { RESET_ADMIN_COMMAND, type TokenProblem } from "./token-problem.ts";
import { type CreatedToken, createTokenWithSecret, type TokenDeps } from "./tokens.ts";

export type AdminKeyState =
  /** Made now. The only time that the plaintext is given. */
  | { readonly kind: "created"; readonly path: string; readonly secret: string }
  /** The file is there and its key works. */
  | { readonly kind: "present"; readonly path: string }
  /** The file was there before the store knew its key (a new store, or a start that was cut short): it works now. */
  | { readonly kind: "adopted"; readonly path: string }
  /** The file is missing or its key does not work, but admin keys exist. Nothing was changed. */
  | { readonly kind: "unusable"; readonly path: string; readonly message: string; readonly mend: string };

const LOCAL_ACTOR = "local";

/** Sees to an admin key at each start. Throws the file system's error when `admin.key` cannot be read or written. */
export async function bootstrapAdmin(deps: TokenDeps, dataDir: string): Promise<Result<AdminKeyState, TokenProblem>> {
  const path = adminKeyPath(dataDir);
  const inFile = readAdminKey(path);
  const now = deps.store.clock.now();
  if (inFile !== null && inFile !== "") {
    const key = await findKeyByHash(deps.store.sql, hashSecret(inFile));
    if (key !== null && isLiveAdmin(key, now)) return ok({ kind: "present", path });
  }
  if ((await countKeysOfScope(deps.store.sql, "admin")) === 0) return makeFirst(deps, path, inFile);
  const what = inFile === null ? `${path} is missing` : `the key in ${path} does not work any more`;
  const anyLive = (await countLiveAdmins(deps.store.sql, now)) > 0;
  return ok({
    kind: "unusable",
    path,
    message: `${what}, and the store has only hashes of the other admin keys`,
    mend: anyLive
      ? `flock token create --admin --token <an admin key>; with no admin key at hand: ${RESET_ADMIN_COMMAND}`
      : RESET_ADMIN_COMMAND,
  });
}

/** Makes a new admin key without asking for one: for whoever may read and write the data directory. Old keys stay. */
export async function resetAdminKey(
  deps: TokenDeps,
  dataDir: string,
): Promise<Result<{ readonly path: string; readonly secret: string }, TokenProblem>> {
  const path = adminKeyPath(dataDir);
  const secret = newSecret();
  // The store first: a key file whose key was refused would replace one that works.
  const created = await createAdmin(deps, secret);
  if (!created.ok) return created;
  writeAdminKey(path, secret);
  return ok({ path, secret });
}

/** The file first: when the process dies between, the next start adopts the file; the other way round locks out. */
async function makeFirst(
  deps: TokenDeps,
  path: string,
  inFile: string | null,
): Promise<Result<AdminKeyState, TokenProblem>> {
  const adopt = inFile !== null && inFile !== "";
  const secret = adopt ? inFile : newSecret();
  if (!adopt) writeAdminKey(path, secret);
  const created = await createAdmin(deps, secret);
  if (!created.ok) return created;
  return ok(adopt ? { kind: "adopted", path } : { kind: "created", path, secret });
}

async function createAdmin(deps: TokenDeps, secret: string): Promise<Result<CreatedToken, TokenProblem>> {
  for (;;) {
    const input = { name: await freeName(deps), scope: "admin", owner: "admin" } as const;
    const created = await createTokenWithSecret(deps, input, LOCAL_ACTOR, secret);
    // Another leader that starts on the same database may have taken the name meanwhile.
    if (created.ok || created.error.kind !== "conflict") return created;
  }
}

async function freeName({ store }: TokenDeps): Promise<string> {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? "admin" : `admin-${number}`;
    if (!(await liveKeyNamed(store.sql, name))) return name;
  }
}

function isLiveAdmin(key: KeyRecord, now: number): boolean {
  return key.scope === "admin" && key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
}
