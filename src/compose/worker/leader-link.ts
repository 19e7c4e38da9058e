import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NodePlace, nodePortProblem } from "../node-place.ts";
import { LOCAL_NODE } from "../own-agent.ts";
import type { StartOptions } from "../start-options.ts";
import type { NodeService } from "../../cluster/link.ts";
import type { LocalLink } from "../../cluster/local-link.ts";
import type { NodeCredential } from "../../cluster/node-credential.ts";
import { nodeProcesses } from "../../cluster/node-operations.ts";
import { newLife } from "../../cluster/signed-call.ts";
import { socketPath } from "../../cluster/socket-path.ts";
import { systemClock } from "../../core/clock.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { StartProblem } from "../../leader/start-problem.ts";
import { keepCredential, keepRemoved } from "../../worker/credential-file.ts";
import { ModelPuller, PULL_TIMES } from "../../worker/model-puller.ts";
import { withFiles, withPulls } from "../../worker/worker-files.ts";
import { openWorkerLink, type WorkerLink } from "../../worker/worker-link.ts";

const ASK_MS = 3_000;

export interface LeaderLinkParts {
  readonly options: StartOptions;
  readonly credential: NodeCredential;
  readonly local: LocalLink;
  readonly place: NodePlace | null;
  /** The leader does not take this node's connections, or takes them again. */
  readonly dialled: () => void;
}

/** A worker's link to its leader, over which files of models travel too. */
export function linkToLeader(parts: LeaderLinkParts): Result<WorkerLink, StartProblem> {
  const { options, credential, local, place, dialled } = parts;
  const { config, log, version } = options;
  const dataDir = config.values.data_dir;
  const socket = socketPath({ dataDir, name: "node", temporaryDir: tmpdir(), uid: process.getuid?.() ?? 0 });
  let puller: ModelPuller | null = null;
  const call = withPulls(
    (operation, over) => local.call(LOCAL_NODE, operation, over),
    () => puller,
  );
  const opened = openWorkerLink({
    credential,
    keep: (changed) => ("removed" in changed ? keepRemoved(dataDir, changed) : keepCredential(dataDir, changed)),
    version,
    clock: systemClock,
    newLife,
    listen: place,
    socket: socket.ok ? socket.value : join(dataDir, "node.sock"),
    fetch: withFiles((engineId, request, over) => local.fetchEngine(engineId, request, over), call),
    call,
    portOf: (service) => portOf(local, service),
    dialled,
    log: (message) => log.warn(message),
  });
  if (!opened.ok) {
    return err(nodePortProblem(`the port for the leader cannot be opened: ${opened.error}`, place, options.program));
  }
  const link = opened.value;
  const brings = new ModelPuller({
    modelsDir: config.values.storage.models_dir,
    calls: link.calls,
    dial: (way, part, from, signal) => link.dial(way, part, from, signal),
    log: (message) => log.info(message),
    times: PULL_TIMES,
  });
  puller = brings;
  return ok({
    ...link,
    async close() {
      brings.stop();
      await link.close();
    },
  });
}

async function portOf(local: LocalLink, service: NodeService): Promise<number | null> {
  const engine = local.state()?.engines.find(({ id }) => service === `engine/${id}`);
  if (engine?.endpoint) return Number(new URL(engine.endpoint).port);
  const running = await local.call(LOCAL_NODE, nodeProcesses(), AbortSignal.timeout(ASK_MS));
  return (running.ok ? running.value : []).find(({ id }) => service === `process/${id}`)?.port ?? null;
}
