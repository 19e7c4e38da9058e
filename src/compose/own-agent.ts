import { hashOptions } from "../cluster/agent-record.ts";
import { createLocalLink, type LocalLink } from "../cluster/local-link.ts";
import { spawnAgent } from "../cluster/spawn-agent.ts";
import type { NodeState } from "../core/node.ts";
import { err, type Result } from "../core/result.ts";
import type { StartProblem } from "../leader/start-problem.ts";
import type { ReplicaBoard } from "../routing/replica-board.ts";
import { toAgentOptions } from "./agent-options.ts";
import { endLeftovers } from "./leftovers.ts";
import type { StartOptions } from "./start-options.ts";

/** This machine, to itself. */
export const LOCAL_NODE = "local";
const AGENT_START_MS = 30_000;
const AGENT_STOP_MS = 30_000;

/** The way to this machine's agent; nothing is started yet. */
export async function linkToAgent(options: StartOptions): Promise<LocalLink> {
  const agentOptions = await toAgentOptions(options, LOCAL_NODE);
  const { agentCommand: command, engineEnv: env, log } = options;
  const dataDir = options.config.values.data_dir;
  return createLocalLink({
    dataDir,
    node: LOCAL_NODE,
    optionsHash: hashOptions(agentOptions),
    spawnAgent: () => spawnAgent({ command, env, dataDir, options: agentOptions }),
    log: (message) => log.warn(message),
  });
}

/** Starts the agent, or takes over the one that is there. */
export async function attachAgent(link: LocalLink, signal: AbortSignal): Promise<Result<NodeState, StartProblem>> {
  const attached = await link.ensureAgent(AbortSignal.any([signal, AbortSignal.timeout(AGENT_START_MS)]));
  return attached.ok ? attached : err({ kind: "agent", message: attached.error.message, mend: attached.error.mend });
}

/** The engines with it. What does not listen any more is ended by its process. */
export async function endAgent(link: LocalLink, dataDir: string): Promise<void> {
  const ended = await link.shutdown({ engines: true }, AbortSignal.timeout(AGENT_STOP_MS));
  if (!ended.ok) await endLeftovers(dataDir, AbortSignal.timeout(AGENT_STOP_MS));
}

/**
 * An engine of this machine that is ready, or none that could become so: then the block says what is wrong. What other
 * machines serve counts only where this one's engine failed to start.
 */
export function whenReady(
  link: Pick<LocalLink, "state" | "onChange">,
  board: { readonly state: Pick<ReplicaBoard["state"], "replicas"> },
  progress: (line: string) => void,
): Promise<NodeState> {
  let said = "";
  return new Promise((resolve) => {
    const look = (): void => {
      const state = link.state();
      if (!state) return;
      const coming = state.engines.filter(({ state: at }) => at === "starting" || at === "backoff");
      const starting = coming.some(({ state: at }) => at === "starting");
      const served = state.replicas.length > 0 || (board.state.replicas.length > 0 && !starting);
      if (!served && coming.length > 0) {
        const lines = coming.map(
          ({ kind, problem }) => `▶ the ${kind} engine is starting${problem ? `: ${problem}` : " …"}`,
        );
        for (const line of lines) if (line !== said) progress(line);
        said = lines.at(-1) ?? "";
        return;
      }
      unsubscribe();
      resolve(state);
    };
    const unsubscribe = link.onChange(() => look());
    look();
  });
}
