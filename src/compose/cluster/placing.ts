import { z } from "zod";
import { type AssignParts, assignModel, sayBrought } from "../../cluster/registry/assign-model.ts";
import { isAlive } from "../../cluster/process-identity.ts";
import { unloadModel } from "../../cluster/node-operations.ts";
import { type DrainParts, drainNode, type MovedTo, onlyThere } from "../../cluster/registry/drain-node.ts";
import { isHeld, moveModel, type MoveParts, untilHeard } from "../../cluster/registry/move-model.ts";
import type { NodeEntry } from "../../cluster/registry/node-entry.ts";
import { patientLink } from "../../cluster/registry/patient-link.ts";
import type { NodeRegistry } from "../../cluster/registry/node-registry.ts";
import type { NodeLinks } from "../../cluster/transport/node-links.ts";
import { type Bringing, composeBringing } from "./bringing.ts";
import { openCatalogOf } from "../catalog.ts";
import type { Config } from "../../config/settings.ts";
import { defineJob, type JobKind } from "../../jobs/job-kind.ts";
import { err, ok } from "../../core/result.ts";
import { wait } from "../../core/wait.ts";
import { wantedModels } from "../../placement/choose-model.ts";
import type { KnownFloors } from "../../placement/model-need.ts";
import type { ModelDirectory } from "../../routing/model-directory.ts";
import type { Router } from "../../routing/router.ts";
import type { BoardState } from "../../routing/replica-board.ts";
import type { Log } from "../../telemetry/log.ts";

export const DRAIN_JOB = "node.drain";
export const ASSIGN_JOB = "node.assign";
export const MOVE_JOB = "model.move";

const GB = 1e9;
const LOOK_MS = 100;
/** For a node to tell that an engine is gone. */
const TOLD_MS = 5_000;
/** For a worker's connections to be made anew; who is away for longer is lost by then, or has other troubles. */
const PATIENCE_MS = 30_000;

export const drainInput = z.strictObject({ node: z.string() });
/** What a drain job remembers: the models that it has moved, and where each is now. */
export const drainCheckpoint = z.object({ moved: z.record(z.string(), z.string()) });

export interface PlacingParts extends Omit<AssignParts, "busy" | "floors" | "bring" | "link"> {
  readonly link: NodeLinks;
  readonly localNode: string;
  readonly router: Router;
  readonly models: ModelDirectory;
  readonly config: Config;
  readonly bundledCatalog: string;
  readonly board: () => BoardState;
  /** Leaders before this one that may still give answers. */
  readonly earlier: readonly number[];
  readonly log: Log;
}

/** What puts models on nodes, and takes them off. */
export interface Placing {
  readonly jobs: readonly JobKind[];
  /** True: the node serves nothing useful, and there is a model that it could be given. */
  wants(node: string): boolean;
  /** A part of a model's file to a worker; null: the request is for something else. */
  readonly serveFile: Bringing["serveFile"];
  readonly rest: Bringing["rest"];
}

export function composePlacing(parts: PlacingParts): Placing {
  const { registry, router, models } = parts;
  const link = patientLink({ registry, link: parts.link, patienceMs: PATIENCE_MS });
  const bringing = composeBringing({ ...parts, patient: link });
  const busy = (replicaId: string): number => router.busy(replicaId);
  const assigning: AssignParts = {
    book: parts.book,
    registry,
    placements: parts.placements,
    link,
    busy,
    floors: (model) => floorsOf(parts, model),
    bring: bringing.bring,
  };
  const move: DrainParts["move"] = (model, without, signal, say) => {
    const reason = `moved from ${registry.get(without)?.name ?? without}`;
    return assignModel(assigning, { model, without, unasked: true, reason }, signal, say);
  };
  const put: MoveParts["put"] = (model, to, from, signal, say) => {
    const reason = `moved from ${registry.get(from)?.name ?? from}`;
    return assignModel(assigning, { model, on: to, unasked: false, reason }, signal, say);
  };
  const unload: MoveParts["unload"] = async (node, model, signal) => {
    const done = await link.call(node, unloadModel(model), signal);
    if (done.ok) return done;
    // Asked once more, since the answer to the first call was lost: the node has let go of it, and tells so in a moment.
    const limit = AbortSignal.any([signal, AbortSignal.timeout(done.error.kind === "unknown_engine" ? TOLD_MS : 0)]);
    while (isHeld(registry, node, model) && !limit.aborted) await wait(LOOK_MS, limit);
    return isHeld(registry, node, model) ? err(done.error.message) : ok(undefined);
  };
  const alone = (): boolean => !parts.earlier.some(isAlive);
  const wanted = (): readonly string[] => {
    const { replicas } = parts.board();
    const defaultModel = models.defaultModel();
    const smoke = new Map(replicas.map(({ model, smokeTest }) => [model, smokeTest]));
    return wantedModels(
      [...smoke].map(([model, smokeTest]) => ({
        model,
        smokeTest,
        queued: router.waiting(model),
        isDefault: model === defaultModel,
      })),
    );
  };
  const drain = defineJob({
    kind: DRAIN_JOB,
    schema: drainInput,
    async run({ input: { node }, resumeFrom, checkpoint, signal, progress }) {
      // The job may be found sooner than this leader has taken over that the node is drained.
      await parts.book.refresh();
      const drainedAt = parts.book.get(node)?.drainedAt ?? null;
      if (drainedAt !== null && registry.get(node)?.drainedAt === null)
        registry.startDrain(node, new Set(onlyThere(registry, node)), drainedAt);
      const moved = drainCheckpoint.safeParse(resumeFrom).data?.moved ?? {};
      const keep = (so: MovedTo): Promise<void> => checkpoint({ moved: so } satisfies z.infer<typeof drainCheckpoint>);
      await drainNode({ registry, busy, alone, move, unload }, node, {
        signal,
        progress,
        moved,
        lookAnew: true,
        keep,
      });
    },
  });
  const assign = defineJob({
    kind: ASSIGN_JOB,
    schema: z.strictObject({ node: z.string() }),
    async run({ input: { node }, signal, progress }) {
      const why: string[] = [];
      // A leader that has just started does not know yet what others serve, nor what is empty.
      await untilHeard(registry, signal);
      while (!signal.aborted && registry.list().some(isComingUp)) await wait(LOOK_MS, signal);
      for (const model of isEmpty(registry, node) ? wanted() : []) {
        progress(0, 1, model);
        const wish = { model, on: node, unasked: true, reason: "assigned when it joined" };
        const done = await assignModel(assigning, wish, signal, (message) => progress(0, 1, `${model}: ${message}`));
        signal.throwIfAborted();
        if (done.ok) return progress(1, 1, `${done.value.name} serves ${model}${sayBrought(done.value.brought)}`);
        why.push(`${model}: ${done.error}`);
        registry.note(node, `was not given ${model}: ${done.error}`);
      }
      if (why.length > 0) throw new Error(why.join("; "));
      progress(1, 1, "it needs no model");
    },
  });
  const moving = defineJob({
    kind: MOVE_JOB,
    schema: z.strictObject({ model: z.string(), from: z.string(), to: z.string() }),
    run: ({ input, signal, progress }) =>
      moveModel({ registry, busy, alone, put, unload }, input, { signal, progress }),
  });
  return {
    jobs: [drain, assign, moving],
    wants: (node) => isEmpty(registry, node) && wanted().length > 0,
    serveFile: (request) => bringing.serveFile(request),
    rest: () => bringing.rest(),
  };
}

/** Which models it serves by itself is known in a moment. */
function isComingUp({ standing, state }: NodeEntry): boolean {
  return standing === "ready" && (state?.engines.some((engine) => engine.state === "starting") ?? false);
}

/** Nothing but the smoke test, which every machine has by itself. */
function isEmpty(registry: NodeRegistry, node: string): boolean {
  const entry = registry.get(node);
  return entry?.standing === "ready" && (entry.state?.replicas ?? []).every(({ smokeTest }) => smokeTest);
}

async function floorsOf({ config, bundledCatalog }: PlacingParts, model: string): Promise<KnownFloors | null> {
  const { entries } = await (await openCatalogOf(config, bundledCatalog)).read();
  const hardware = entries.find(({ id }) => id === model)?.hardware;
  if (hardware === undefined) return null;
  return { minMemoryBytes: (hardware.min_ram_gb ?? 0) * GB, minVramBytes: (hardware.min_vram_gb ?? 0) * GB };
}
