import { z } from "zod";
import type { LinkFailure } from "../../cluster/link.ts";
import { patientLink } from "../../cluster/registry/patient-link.ts";
import { cancelLlamaInstall, installLlama, llamaVersions, useLlama } from "../../cluster/llama-operations.ts";
import { wait } from "../../core/wait.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { toAdminFailure } from "./engines.ts";
import type { Principal } from "../../core/principal.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AdminFailure } from "../../http/admin/deps.ts";
import type { AdminEngineVersions } from "../../http/admin/engine-deps.ts";
import type { JobRunner } from "../../jobs/job-runner.ts";
import { defineJob, type JobKind } from "../../jobs/job-kind.ts";
import { audited } from "../../store/audited.ts";
import type { Store } from "../../store/store.ts";

const INSTALL_JOB = "engine.install";
const CALL_LIMIT_MS = 30_000;
/** For a worker's connections to be made anew, after a start of the leader too; what it does meanwhile goes on. */
const PATIENCE_MS = 30_000;
const POLL_MS = 300;
const MEGABYTE = 1_000_000;

const input = z.strictObject({
  node: z.string(),
  version: z.string().nullable(),
  variant: z.enum(["cuda", "rocm", "vulkan", "metal", "cpu"]).nullable(),
  sha256: z.string().nullable(),
});

/** Has a node's agent install a release of llama.cpp, and follows it. Begun again, it goes on where it was. */
export function installEngineJob(cluster: Pick<Cluster, "link" | "registry">): JobKind {
  const link = patientLink({ ...cluster, patienceMs: PATIENCE_MS });
  return defineJob({
    kind: INSTALL_JOB,
    schema: input,
    async run({ input: { node, ...wish }, signal, progress }) {
      const limit = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS + CALL_LIMIT_MS);
      const begun = await link.call(node, installLlama(wish), limit());
      if (!begun.ok) throw new Error(toText(begun.error));
      for (;;) {
        await wait(POLL_MS, signal);
        if (signal.aborted) {
          await link.call(node, cancelLlamaInstall(), limit());
          signal.throwIfAborted();
        }
        const state = await link.call(node, llamaVersions(), limit());
        if (!state.ok) throw new Error(toText(state.error));
        const { installing, last } = state.value;
        if (installing !== null) {
          const total = installing.totalBytes === null ? null : Math.ceil(installing.totalBytes / MEGABYTE);
          progress(Math.floor(installing.bytes / MEGABYTE), total, `MB · ${installing.message}`);
        } else if (last === null) throw new Error("the agent was started anew: flock engine install llamacpp");
        else if (last.ok) return progress(1, 1, `${last.version} (${last.variant}) is installed and pinned on ${node}`);
        else throw new Error(`${last.message} → ${last.mend}`);
      }
    },
  });
}

export interface EngineVersionParts {
  readonly store: Store;
  readonly cluster: Pick<Cluster, "registry" | "link">;
  readonly jobs: JobRunner;
  readonly actorOf: (principal: Principal) => string;
}

/** What the admin API does with the programs of engines that nodes have installed. */
export function engineVersionAdmin(parts: EngineVersionParts): AdminEngineVersions {
  const { registry, link } = parts.cluster;
  const nodeOf = (node: string | null): Result<string, AdminFailure> => {
    // The leader's own is the first.
    const found = registry.list().find((entry) => node === null || entry.id === node || entry.name === node);
    if (found !== undefined) return ok(found.id);
    return err({ kind: "not_found", what: `node ${node}`, mend: "flock node ls" });
  };
  return {
    async list() {
      const answers = await Promise.all(
        registry.list().map(async ({ id }) => {
          const state = await link.call(id, llamaVersions(), AbortSignal.timeout(CALL_LIMIT_MS));
          // A node that is away has them still, but cannot say so.
          return (state.ok ? state.value.versions : []).map((version) => ({
            ...version,
            node: id,
            engine: "llamacpp" as const,
          }));
        }),
      );
      return ok(answers.flat());
    },
    async install({ node, ...wish }, actor) {
      const found = nodeOf(node);
      if (!found.ok) return found;
      const read = input.safeParse({ ...wish, node: found.value });
      if (!read.success) {
        const message = read.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
        return err({ kind: "invalid_request", field: null, message });
      }
      return await parts.jobs.enqueue(INSTALL_JOB, read.data, parts.actorOf(actor));
    },
    async use(node, version, actor) {
      const found = nodeOf(node);
      if (!found.ok) return found;
      const used = await link.call(found.value, useLlama(version), AbortSignal.timeout(CALL_LIMIT_MS));
      if (!used.ok) return err(toAdminFailure(used.error));
      const { version: tag, variant } = used.value;
      await audited(parts.store, { actor: parts.actorOf(actor), action: "engine.use" }, () =>
        Promise.resolve(
          ok({ target: `${found.value}/llamacpp`, before: null, after: { version: tag, variant }, value: null }),
        ),
      );
      return ok({ ...used.value, node: found.value, engine: "llamacpp" });
    },
  };
}

function toText({ message, mend }: LinkFailure): string {
  return `${message} → ${mend}`;
}
