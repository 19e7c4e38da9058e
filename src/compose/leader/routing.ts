import type { CatalogEntry } from "../../catalog/entry.ts";
import { openCatalogOf } from "../catalog.ts";
import { LOCAL_NODE } from "../own-agent.ts";
import { type ReplicaParts, type WatchedReplicas, watchedReplicas } from "./replicas.ts";
import type { StartOptions } from "../start-options.ts";
import { DEFAULT_LIMITS } from "../../gateway/ports.ts";
import { HEALTH_TIMES } from "../../health/health-times.ts";
import { ModelDirectory } from "../../routing/model-directory.ts";
import { ModelSources } from "../../routing/model-sources.ts";
import type { RouterOptions } from "../../routing/router.ts";
import type { Log } from "../../telemetry/log.ts";

/** Which model a name means, and which replica takes a request for it. */
export interface Routing extends WatchedReplicas {
  readonly models: ModelDirectory;
}

export function composeRouting(
  { config, log }: StartOptions,
  parts: Pick<ReplicaParts, "severalKeys" | "call" | "link">,
): Routing {
  const { router, engine, log_level: level } = config.values;
  const replicas = watchedReplicas({
    ...parts,
    localNode: LOCAL_NODE,
    limits: DEFAULT_LIMITS,
    stickySessions: router.sticky_sessions,
    p95LimitMs: router.latency_fallback_p95_seconds * 1000,
    onDecision: level === "debug" ? logDecision(log) : null,
    times: HEALTH_TIMES,
    log: (message, fields) => log.warn(message, fields),
  });
  return { ...replicas, models: new ModelDirectory(replicas.board, router.default_model, engine.preferred) };
}

/**
 * Reads from the catalogue which models answer in the place of which, and what they are called elsewhere. Not at the start:
 * a first failure comes later.
 */
export async function loadChains(
  { config, bundledCatalog }: StartOptions,
  { detours, models }: Routing,
): Promise<void> {
  const { entries } = await (await openCatalogOf(config.values, bundledCatalog)).read();
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
function logDecision(log: Log): NonNullable<RouterOptions["onDecision"]> {
  return ({ requestId, model }, verdicts) => {
    const named = verdicts.slice(0, MOST_NAMED).map(({ replica, reason }) => `${replica.id}: ${reason}`);
    log.debug("route", { request: requestId, model, replicas: named });
  };
}
