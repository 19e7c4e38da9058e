import type { Failure } from "../core/failure.ts";
import type { EngineKind } from "../core/replica.ts";
import type { Result } from "../core/result.ts";
import type { EngineInfo } from "../engine/driver.ts";
import { describeFailure } from "./describe-failure.ts";
import type { Finding } from "./doctor.ts";
import { type AttachedOptions, attachedManagers } from "./attached-managers.ts";
import { candidatesOf, isAttachedKind, unlookedFor } from "./engine-candidates.ts";

/** What was found where an engine may run that somebody else started. */
export interface LookedFor {
  readonly kind: EngineKind;
  readonly endpoint: string;
  readonly start: string;
  /** Puts a model into it. */
  readonly pull: string;
  readonly answer: Result<EngineInfo, Failure>;
}

export interface EngineFacts {
  readonly preferred: EngineKind | "auto";
  readonly lookedFor: readonly LookedFor[];
  /** Why the preferred one was not looked for; null: it was, or none is preferred. */
  readonly unlooked: string | null;
}

const LOOK_TIMEOUT_MS = 3_000;

export async function lookForEngines(options: AttachedOptions, signal: AbortSignal): Promise<EngineFacts> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
  const lookedFor = await Promise.all(
    candidatesOf(options, attachedManagers(options)).map(async ({ at, manager }): Promise<LookedFor> => {
      const { kind, startCommand: start, pullCommand: pull = start } = manager;
      return { kind, endpoint: at.url, start, pull, answer: await manager.probe(at, limit) };
    }),
  );
  const preferred = options.enginePreferred;
  return { preferred, lookedFor, unlooked: isAttachedKind(preferred) ? unlookedFor(preferred, options) : null };
}

/** One line for each engine that runs, and for the one that should. */
export function engineFindings({ preferred, lookedFor, unlooked }: EngineFacts): Finding[] {
  const findings = lookedFor.flatMap((one) => findingOf(one, one.kind === preferred));
  if (unlooked !== null) {
    findings.push({ check: "engine", ok: false, message: unlooked, mend: "flock config edit" });
  }
  return findings;
}

function findingOf({ kind, endpoint, start, pull, answer }: LookedFor, wanted: boolean): Finding[] {
  if (!answer.ok) {
    // Somebody else's server on that port, or none at all: only whoever wants this engine need know.
    if (!wanted) return [];
    const message = `${kind}, which engine.preferred names, ${explain(answer.error)}`;
    return [{ check: "engine", ok: false, message, mend: start }];
  }
  const { version, models, advice } = answer.value;
  const what = `${kind} ${version} runs at ${endpoint}`;
  if (models.length === 0) {
    return [{ check: "engine", ok: false, message: advice ?? `${what}, but has no model`, mend: pull }];
  }
  const names = models.map(({ model }) => model);
  const some = names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  const why = wanted ? ": engine.preferred names it" : "";
  return [{ check: "engine", ok: true, message: `${what} with ${some}${why}`, mend: null }];
}

function explain(failure: Failure): string {
  return failure.kind === "engine_unreachable"
    ? describeFailure(failure)
    : `is not usable: ${describeFailure(failure)}`;
}
