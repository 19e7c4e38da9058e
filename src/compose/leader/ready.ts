import type { Cluster } from "../cluster/cluster.ts";
import type { Records } from "./records.ts";
import type { ReadyReport } from "../running-node.ts";
import type { StartOptions } from "../start-options.ts";
import type { NodeState } from "../../core/node.ts";
import type { Health } from "../../http/routes/health.ts";
import { readyBlock } from "../../leader/ready-block.ts";
import type { AdminKeyState } from "../../tenancy/bootstrap-admin.ts";

export interface ReadyParts {
  readonly options: StartOptions;
  readonly state: NodeState;
  readonly url: string;
  readonly defaultModel: string;
  readonly adminKey: AdminKeyState;
  /** Makes the line for another machine; null: nobody is there to read it. */
  readonly invite: Cluster["invite"] | null;
}

/** What the terminal shows once requests can be answered, or it is clear that none soon will be. */
export async function reportReady(parts: ReadyParts): Promise<ReadyReport> {
  const { options, state, url, defaultModel, adminKey, invite } = parts;
  const { values } = options.config;
  const keyless = !values.auth.require_keys;
  const invited = (await invite?.().catch(() => null)) ?? null;
  const block = readyBlock({
    state,
    url,
    defaultModel,
    newAdminKey: adminKey.kind === "created" && !keyless ? adminKey.secret : null,
    adminKeyFile: adminKey.path,
    keyProblem: adminKey.kind === "unusable" ? adminKey : null,
    keyless,
    modelsDir: values.storage.models_dir,
    join: invited?.ok === true ? invited.value : null,
    program: options.program,
    gpuCommand: options.gpuCommand,
  });
  return { block, problem: state.replicas.length === 0 ? "no model is loaded" : null };
}

export interface HealthParts {
  /** Replicas that answer. */
  readonly served: number;
  readonly stopping: boolean;
  readonly records: Pick<Records, "health" | "settler">;
}

/** What `/readyz` says. */
export function healthOf({ served, stopping, records }: HealthParts): Health {
  const problems: string[] = [];
  if (served === 0) problems.push("no model is loaded");
  if (stopping) problems.push("Flock is stopping");
  const { problem } = records.health();
  if (problem !== null) problems.push(problem);
  // The journal holds the records meanwhile: requests are served and accounted, so traffic may come.
  const away = records.settler.health().problem;
  return { problems, warnings: away === null ? [] : [away] };
}
