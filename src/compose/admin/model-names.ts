import type { Catalog } from "../../catalog/open-catalog.ts";
import type { Followed } from "../leader/follow-store.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { shadowOf } from "../../config/stored.ts";
import type { AdminDeps, DefaultModelView } from "../../http/admin/deps.ts";
import type { ModelDirectory } from "../../routing/model-directory.ts";
import { listAliases } from "../../store/aliases.ts";
import { allKeys } from "../../store/keys.ts";
import type { Store } from "../../store/store.ts";
import { deleteAlias, setAlias } from "../../tenancy/aliases.ts";
import { DEFAULT_MODEL_SETTING, setDefaultModel } from "../../tenancy/default-model.ts";

export interface ModelNameParts {
  readonly store: Store;
  readonly models: ModelDirectory;
  readonly catalog: Catalog;
  /** As it was at the start. */
  readonly config: LoadedConfig;
  readonly followed: Followed;
}

/** Aliases and the default model, as the admin API changes them: they count at once in the running gateway. */
export function modelNameAdmin(parts: ModelNameParts): Pick<AdminDeps, "aliases" | "defaultModel"> {
  const { store, models, catalog, config, followed } = parts;
  const known = {
    served: () => models.modelIds(),
    installable: async () => (await catalog.read()).entries.flatMap(({ id, aliases = [] }) => [id, ...aliases]),
  };
  const deps = { store, models: known };
  const show = (): DefaultModelView => {
    const serving = models.defaultModel();
    const { source, detail } = followed.config.origin[DEFAULT_MODEL_SETTING];
    const wanted = followed.config.values.router.default_model;
    return { model: serving === "" ? null : serving, wanted, origin: source, detail };
  };
  return {
    aliases: {
      async list() {
        const aliases = await listAliases(store.sql);
        if (aliases.every(({ keyId }) => keyId === null)) return aliases.map((alias) => ({ ...alias, keyName: null }));
        const names = new Map((await allKeys(store.sql)).map(({ id, name }) => [id, name]));
        return aliases.map((alias) => ({ ...alias, keyName: names.get(alias.keyId ?? "") ?? null }));
      },
      async set(input, actor) {
        const alias = await setAlias(deps, input, actor.keyName);
        if (alias.ok) await followed.refresh();
        return alias;
      },
      async remove(name, key, actor) {
        const removed = await deleteAlias(deps, name, key, actor.keyName);
        if (removed.ok) await followed.refresh();
        return removed;
      },
    },
    defaultModel: {
      show: () => Promise.resolve(show()),
      async set(model, actor) {
        const shadowedBy = shadowOf(config, DEFAULT_MODEL_SETTING);
        const done = await setDefaultModel(deps, model, shadowedBy, actor.keyName);
        if (!done.ok) return done;
        await followed.refresh();
        return { ok: true, value: show() };
      },
    },
  };
}
