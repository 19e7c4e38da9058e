import { DRAIN_JOB, drainCheckpoint, drainInput } from "./placing.ts";
import type { Cluster } from "./cluster.ts";
import { availableModels, loadModel } from "../../cluster/node-operations.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";
import type { Log } from "../../telemetry/log.ts";

const ASK_MS = 3_000;
/** Among so many a node's last drains are looked for. */
const LAST_JOBS = 500;

/** Loads the model that a machine's configuration wants there, where the drain has unloaded it. Others stay where they moved. */
export function ownModelLoader(
  { registry, link }: Pick<Cluster, "registry" | "link">,
  jobs: JobRunner,
): (node: string, drainedAt: number) => Promise<void> {
  /** Models that drains since then have moved away from a node. */
  const movedSince = async (node: string, drainedAt: number): Promise<ReadonlySet<string>> => {
    const drains = (await jobs.list(LAST_JOBS)).filter(
      ({ kind, input, createdAt }) =>
        kind === DRAIN_JOB && createdAt >= drainedAt && drainInput.safeParse(input).data?.node === node,
    );
    return new Set(drains.flatMap((job) => Object.keys(drainCheckpoint.safeParse(job.checkpoint).data?.moved ?? {})));
  };
  return async (node, drainedAt) => {
    const moved = await movedSince(node, drainedAt);
    const limit = AbortSignal.timeout(ASK_MS);
    const there = moved.size === 0 ? null : await link.call(node, availableModels(), limit);
    if (there?.ok === false)
      registry.note(node, `what it served by itself is not loaded again: ${there.error.message}`);
    const own = there?.ok === true ? there.value.find((model) => model.default && moved.has(model.id)) : undefined;
    if (own === undefined || own.engine !== null) return;
    const loading = await link.call(node, loadModel({ id: own.id }), limit);
    registry.note(node, loading.ok ? `${own.id} is loaded again` : `${own.id} is not loaded: ${loading.error.message}`);
  };
}

/** The same for nodes that another leader has taken back into use. */
export function loadOwnAfterDrains(
  cluster: Pick<Cluster, "registry" | "link" | "book">,
  jobs: JobRunner,
  log: Log,
): void {
  const loadOwn = ownModelLoader(cluster, jobs);
  cluster.book.onChange(({ node, drainedSince }) => {
    if (drainedSince === null) return;
    loadOwn(node.id, drainedSince).catch((cause: unknown) => log.warn("its own model is not loaded", { cause }));
  });
}
