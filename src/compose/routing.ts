import { homedir } from "node:os";
import type { CatalogEntry } from "../catalog/entry.ts";
import type { LeaderOptions } from "./leader.ts";
import type { Detours } from "../routing/detours.ts";
import type { ModelDirectory } from "../routing/model-directory.ts";
import type { RouterOptions } from "../routing/router.ts";
import type { Log } from "../telemetry/log.ts";
import { ModelSources } from "../routing/model-sources.ts";

/**
 * Reads from the catalogue which models answer in the place of which, and what they are called elsewhere. Not at the start:
 * a first failure comes later.
 */
export async function loadChains(options: LeaderOptions, detours: Detours, models: ModelDirectory): Promise<void> {
  const [{ openCatalog }, { catalogDirectories }] = await Promise.all([
    import("../catalog/open-catalog.ts"),
    import("../catalog/catalog-directories.ts"),
  ]);
  const { config, bundledCatalog } = options;
  const places = { configured: config.values.catalog_dir, bundled: bundledCatalog, home: homedir() };
  const { entries } = await openCatalog(catalogDirectories(places)).read();
  detours.setChains(new Map(entries.map(({ id, fallback }) => [id, fallback])));
  models.setSources(new ModelSources(entries.map((entry) => ({ id: entry.id, names: namesOf(entry) }))));
}

function namesOf({ aliases = [], sources }: CatalogEntry): string[] {
  const { hf, gguf, ollama, mlx, vllm } = sources;
  const repositories = [hf, mlx, vllm, gguf?.repo, gguf?.file && `${gguf.repo}/${gguf.file}`];
  const named = repositories.flatMap((name) => (name === undefined || name === "" ? [] : [`hf:${name}`]));
  return [...aliases, ...named, ...(ollama === undefined ? [] : [`ollama:${ollama}`])];
}

const MOST_NAMED = 16;

/** Each decision with what spoke against the replicas that were not taken. */
export function logDecision(log: Log): NonNullable<RouterOptions["onDecision"]> {
  return ({ requestId, model }, verdicts) => {
    const named = verdicts.slice(0, MOST_NAMED).map(({ replica, reason }) => `${replica.id}: ${reason}`);
    log.debug("route", { request: requestId, model, replicas: named });
  };
}
