import { nearestNames } from "../core/text-distance.ts";
import { err, ok, type Result } from "../core/result.ts";
import { type Alias, listAliases, putAlias, removeAlias } from "../store/aliases.ts";
import { audited } from "../store/audited.ts";
import { findKey } from "../store/keys.ts";
import type { Sql, Store } from "../store/store.ts";
import { invalid, notFound, type TokenProblem } from "./token-problem.ts";

/** Why an alias or a default was refused. */
export type ModelNameProblem =
  | TokenProblem
  | { readonly kind: "unknown_model"; readonly model: string; readonly nearest: readonly string[] };

/** What models there are, so that a slip of the pen is told at once. */
export interface KnownModels {
  /** Ids that requests may name now. */
  served(): readonly string[];
  /** Ids that could be installed. */
  installable(): Promise<readonly string[]>;
}

export interface AliasDeps {
  readonly store: Store;
  readonly models: KnownModels;
}

export interface AliasInput {
  readonly name: string;
  /** A model's id, another alias, or `auto`. */
  readonly model: string;
  /** Id or name of the one key that it is for; null: everybody. */
  readonly key: string | null;
}

/** As it is shown: with the key's name. */
export interface AliasView extends Alias {
  readonly keyName: string | null;
}

/** Ids that name where a model comes from: whether it is there shows when it is asked for. */
const SOURCES = /^(hf|ollama|file):/;
/** Visible, in one piece: clients write these into settings and URLs. */
const NAME = /^[^\s\p{Cc}]{1,200}$/u;

export async function setAlias(
  { store, models }: AliasDeps,
  { name, model, key }: AliasInput,
  actor: string,
): Promise<Result<AliasView, ModelNameProblem>> {
  if (!NAME.test(name)) return err(invalid("name", "1 to 200 characters without spaces"));
  if (name === "auto") return err(invalid("name", "auto is the default model's name; set that with `flock default`"));
  if (models.served().includes(name.toLowerCase())) {
    return err({
      kind: "conflict",
      message: `${JSON.stringify(name)} is a model's id here, which is stronger: the alias would never be used`,
      mend: "flock alias set <another name> <model>",
    });
  }
  const installable = await models.installable();
  return audited<AliasView, ModelNameProblem>(store, { actor, action: "alias.set" }, async (tx) => {
    const owner = await ownerOf(tx, key);
    if (!owner.ok) return owner;
    const keyId = owner.value?.id ?? null;
    const all = await listAliases(tx);
    const before = all.find((alias) => alias.name === name && alias.keyId === keyId);
    const names = new Set([...models.served(), ...installable, ...all.map((alias) => alias.name)]);
    if (model !== "auto" && !SOURCES.test(model) && !names.has(model) && !names.has(model.toLowerCase())) {
      return err({ kind: "unknown_model", model: model.slice(0, 200), nearest: nearestNames(model, names) });
    }
    const now = store.clock.now();
    const after: Alias = { name, model, keyId, createdAt: before?.createdAt ?? now, updatedAt: now };
    const loop = loopThrough([...all.filter((alias) => alias !== before), after], after);
    if (loop !== null) return err(invalid("model", `this would go round in a circle: ${loop.join(" → ")}`));
    const unchanged = before?.model === model;
    if (!unchanged) await putAlias(tx, after, now);
    const value = { ...(unchanged ? before : after), keyName: owner.value?.name ?? null };
    return ok({ target: name, before: before ? shown(before) : null, after: shown(after), value, unchanged });
  });
}

export async function deleteAlias(
  { store }: AliasDeps,
  name: string,
  key: string | null,
  actor: string,
): Promise<Result<AliasView, ModelNameProblem>> {
  return audited<AliasView, ModelNameProblem>(store, { actor, action: "alias.remove" }, async (tx) => {
    const owner = await ownerOf(tx, key);
    if (!owner.ok) return owner;
    const keyId = owner.value?.id ?? null;
    const all = await listAliases(tx);
    const found = all.find((alias) => alias.name === name && alias.keyId === keyId);
    if (found === undefined) {
      const elsewhere = all.find((alias) => alias.name === name);
      const whose = elsewhere?.keyId ? ` --key ${elsewhere.keyId}` : "";
      const mend = elsewhere === undefined ? "flock alias ls" : `flock alias rm ${name}${whose}`;
      const problem: TokenProblem = { kind: "not_found", what: `alias ${JSON.stringify(name)}`, mend };
      return err(problem);
    }
    await removeAlias(tx, name, keyId);
    return ok({
      target: name,
      before: shown(found),
      after: null,
      value: { ...found, keyName: owner.value?.name ?? null },
    });
  });
}

/** A key's other aliases count too: what is no circle for everybody may be one for it. */
function loopThrough(all: readonly Alias[], added: Alias): readonly string[] | null {
  const keys = added.keyId === null ? [null, ...new Set(all.map(({ keyId }) => keyId))] : [added.keyId];
  for (const keyId of keys) {
    const next = (name: string): string | undefined =>
      (
        all.find((one) => one.name === name && one.keyId === keyId) ??
        all.find((one) => one.name === name && one.keyId === null)
      )?.model;
    const path = [added.name];
    for (let at = next(added.name); at !== undefined; at = next(at)) {
      path.push(at);
      if (at === added.name) return path;
      if (path.indexOf(at) < path.length - 1) break;
    }
  }
  return null;
}

async function ownerOf(
  sql: Sql,
  key: string | null,
): Promise<Result<{ readonly id: string; readonly name: string } | null, TokenProblem>> {
  if (key === null) return ok(null);
  const found = await findKey(sql, key);
  return found === null ? err(notFound(key)) : ok(found);
}

function shown({ model, keyId }: Alias): { readonly model: string; readonly key: string | null } {
  return { model, key: keyId };
}
