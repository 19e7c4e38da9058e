import type { AliasTable } from "./alias-table.ts";
import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import { nearestNames } from "../core/text-distance.ts";
import { autoModel } from "./auto-model.ts";
import type { ModelSources } from "./model-sources.ts";

/** What the resolver knows at one moment. */
export interface ModelSnapshot {
  readonly replicas: readonly Replica[];
  /** Models that are known but have no live replica just now (an engine that restarts): they resolve, and wait. */
  readonly expected: readonly string[];
  readonly aliases: AliasTable;
  /** "" when there is none. */
  readonly defaultModel: string;
  /** What the catalogue calls the models; absent: it was not read yet. */
  readonly sources?: ModelSources;
}

/** What a request asks of whichever model it gets; read only where Flock is the one to choose. */
export interface Wants {
  tools(): boolean;
  images(): boolean;
  promptTokens(): number;
}

export interface ResolvedModel {
  readonly model: string;
  readonly reason: string;
  /** The most that prompt and answer can have together; absent while no replica is live. */
  readonly contextTokens?: number;
}

/** Names by which a whole client family is known; they go to the default model unless an alias says otherwise. */
const CLAUDE_FAMILY = /^(anthropic\/)?claude-/i;

/**
 * From the name that a client used to the id that replicas carry: exact id, alias, `auto`, `file:` id, Claude's family
 * names. Nothing here ever resolves to a vendor.
 */
export function resolveModel(
  name: string,
  need: { readonly chat: boolean; readonly embeddings: boolean; readonly rerank?: boolean },
  snapshot: ModelSnapshot,
  keyId = "",
  wants: Wants | null = null,
): Result<ResolvedModel, Failure> {
  const found = find(name, snapshot, keyId, wants);
  if (!found) {
    return err(unknown(name, snapshot, keyId));
  }
  const replica = snapshot.replicas.find((candidate) => candidate.model === found.model);
  if (!replica) return ok(found);
  const lacking = NEEDS.find((ability) => need[ability] === true && !replica.abilities[ability]);
  if (lacking === undefined) return ok({ ...found, contextTokens: replica.contextTokens });
  // The default model is one to chat with: what it cannot do, another one may.
  const able = name === "auto" ? ableModel(snapshot, lacking) : null;
  if (!able) return err(lacks(found.model, lacking));
  return ok({ model: able.model, reason: `auto: a model for ${lacking}`, contextTokens: able.contextTokens });
}

const NEEDS = ["embeddings", "rerank", "chat"] as const;

/** One of an engine of its own, if there is one: the model that is bundled for tests means nothing. */
function ableModel({ replicas }: ModelSnapshot, ability: (typeof NEEDS)[number]): Replica | null {
  const able = replicas.filter((replica) => replica.abilities[ability]);
  return able.find(({ smokeTest }) => !smokeTest) ?? able[0] ?? null;
}

function find(name: string, snapshot: ModelSnapshot, keyId: string, wants: Wants | null): ResolvedModel | null {
  const live = liveId(name, snapshot);
  if (live) return { model: live, reason: "exact" };
  const steps = snapshot.aliases.chain(name, keyId);
  for (const step of steps) {
    const aliased = liveId(step, snapshot);
    if (aliased) return { model: aliased, reason: `alias ${name}` };
  }
  for (const id of snapshot.sources?.idsOf(name) ?? []) {
    const named = idOf(id, snapshot);
    if (named) return { model: named, reason: `${name} is ${named}` };
  }
  const fallback = snapshot.defaultModel;
  if (fallback === "") return null;
  if (steps.at(-1) === "auto" || name === "auto") {
    const { model, reason } = autoModel(snapshot, wants);
    return { model, reason: name === "auto" ? `auto: ${reason}` : `alias ${name}: ${reason}` };
  }
  // An alias that leads nowhere is an error that somebody should see, also under a name of Claude's.
  if (steps.length === 0 && CLAUDE_FAMILY.test(name))
    return { model: fallback, reason: "claude family: the default model" };
  return null;
}

/** Where a model comes from may be said before its name, and Ollama's clients say the tag that goes without saying. */
const DECORATION = /^(?:ollama|hf|file):|:latest$/gi;

function liveId(name: string, snapshot: ModelSnapshot): string | null {
  const exact = idOf(name, snapshot);
  if (exact !== null) return exact;
  const bare = name.replaceAll(DECORATION, "");
  return bare === name ? null : idOf(bare, snapshot);
}

function idOf(name: string, snapshot: ModelSnapshot): string | null {
  const lower = name.toLowerCase();
  for (const replica of snapshot.replicas) if (replica.model === name || replica.model === lower) return replica.model;
  for (const id of snapshot.expected) if (id === name || id === lower) return id;
  return null;
}

function unknown(name: string, snapshot: ModelSnapshot, keyId: string): Failure {
  const model = name.slice(0, 200);
  const standsFor = snapshot.aliases.chain(name, keyId).at(-1);
  if (standsFor !== undefined) return { kind: "unknown_model", model, nearest: [], standsFor };
  const add = snapshot.sources?.addCommand(name) ?? null;
  const nearest = nearestNames(name, known(snapshot, keyId));
  return { kind: "unknown_model", model, nearest, ...(add === null ? {} : { add }) };
}

function known(snapshot: ModelSnapshot, keyId: string): Set<string> {
  const names = new Set<string>([...snapshot.expected, ...snapshot.aliases.names(keyId)]);
  for (const replica of snapshot.replicas) names.add(replica.model);
  if (snapshot.defaultModel !== "") names.add("auto");
  return names;
}

function lacks(model: string, capability: string): Failure {
  return {
    kind: "unsupported",
    capability,
    endpoint: false,
    message: `The model "${model}" cannot do ${capability}. GET /v1/models lists what each model can do.`,
  };
}
