import type { LoadedConfig } from "../../config/load.ts";
import { withStored } from "../../config/stored.ts";
import { AliasTable } from "../../routing/alias-table.ts";
import type { ModelDirectory } from "../../routing/model-directory.ts";
import { listAliases } from "../../store/aliases.ts";
import { changeCounts } from "../../store/change-counts.ts";
import { keysChangedAfter } from "../../store/keys.ts";
import { allSettings } from "../../store/settings.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { KeyRing } from "../../tenancy/key-ring.ts";

/** Another leader's change is seen within this. */
const LOOK_MS = 1000;

export interface FollowedParts {
  readonly store: Store;
  readonly ring: KeyRing;
  readonly models: ModelDirectory;
  /** Without what is stored. */
  readonly config: LoadedConfig;
  /** Number of the newest change of keys that `ring` may hold already: read before the keys were. */
  readonly keysSeen: number;
  readonly log: Log;
}

/** What this process keeps in memory of the database. */
export interface Followed {
  /** With what is stored, as of now. */
  readonly config: LoadedConfig;
  /** Takes over what has changed. */
  refresh(): Promise<void>;
  /** Nodes or jobs changed, here or at another leader. In the order in which they were asked for; awaited. */
  onChange(of: "nodes" | "jobs", changed: () => unknown): void;
  stop(): void;
}

/**
 * Keeps keys, aliases and stored settings in step with the database: after each change of our own, and on PostgreSQL,
 * where other leaders may write too, once a second. Polled rather than notified: a poll that fails is followed by another,
 * it needs no connection of its own, and it works behind a pooler.
 */
export async function followStore(parts: FollowedParts): Promise<Followed> {
  const { store, ring, models, log } = parts;
  const { nodes, jobs } = await changeCounts(store.sql);
  let seen = { keys: parts.keysSeen, aliases: -1, settings: -1, nodes, jobs };
  const listeners: { readonly of: "nodes" | "jobs"; readonly changed: () => unknown }[] = [];
  let config = parts.config;
  let running: Promise<void> | null = null;

  const look = async (): Promise<void> => {
    const now = await changeCounts(store.sql);
    if (now.keys !== seen.keys) for (const key of await keysChangedAfter(store.sql, seen.keys)) ring.put(key);
    if (now.aliases !== seen.aliases) models.setAliases(new AliasTable(await listAliases(store.sql)));
    if (now.settings !== seen.settings) {
      config = withStored(parts.config, await allSettings(store.sql));
      models.setDefault(config.values.router.default_model);
    }
    for (const { of, changed } of listeners) if (now[of] !== seen[of]) await changed();
    seen = { ...now };
  };
  const refresh = async (): Promise<void> => {
    // One that is under way may have read before the change that this call is about.
    await running?.catch(() => undefined);
    running ??= look().finally(() => {
      running = null;
    });
    await running;
  };

  await look();
  let away = false;
  const timer =
    store.kind === "sqlite"
      ? null
      : setInterval(() => {
          if (running !== null) return;
          refresh().then(
            () => {
              if (away) log.info("changes of other leaders are seen again");
              away = false;
            },
            (cause: unknown) => {
              if (!away) log.warn("changes of other leaders are not seen: the database is away", { cause });
              away = true;
            },
          );
        }, LOOK_MS);
  return {
    get config() {
      return config;
    },
    refresh,
    onChange(of, changed) {
      listeners.push({ of, changed });
    },
    stop() {
      if (timer !== null) clearInterval(timer);
    },
  };
}
