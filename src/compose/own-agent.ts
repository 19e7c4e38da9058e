import { homedir } from "node:os";
import type { AgentOptions } from "../agent/agent-options.ts";
import type { AttachedOptions } from "../agent/attached-managers.ts";
import { parseListen } from "../config/listen.ts";
import type { Config } from "../config/settings.ts";
import type { CatalogEntry } from "../catalog/entry.ts";
import { parsePortRange } from "../config/port-range.ts";
import type { LocalLink } from "../cluster/local-link.ts";
import type { LeaderOptions } from "./leader.ts";
import { endLeftovers } from "./leftovers.ts";
import type { NodeState } from "../core/node.ts";
import type { ReplicaBoard } from "../routing/replica-board.ts";

const AGENT_STOP_MS = 30_000;

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

/**
 * The catalogue's entry of the default model. The catalogue is read for the sake of engines that Flock starts itself with
 * what an entry names, and for nothing else at the start.
 */
export async function entryOfDefault({ config, bundledCatalog }: LeaderOptions): Promise<CatalogEntry | null> {
  const { catalog_dir: configured, engine, router } = config.values;
  const wanted = router.default_model.toLowerCase();
  if (wanted === "" || wanted.includes(":") || engine.preferred === "auto" || engine.preferred === "embedded")
    return null;
  const [{ openCatalog }, { catalogDirectories }] = await Promise.all([
    import("../catalog/open-catalog.ts"),
    import("../catalog/catalog-directories.ts"),
  ]);
  const directories = catalogDirectories({ configured, bundled: bundledCatalog, home: homedir() });
  const { entries } = await openCatalog(directories).read();
  return entries.find(({ id, aliases = [] }) => id === wanted || aliases.includes(wanted)) ?? null;
}

const KINDS = ["ollama", "vllm", "mlx", "llamacpp"] as const;

/** Where the default model's files are from, when it is one of the catalogue's. */
function sourcesOf(entry: CatalogEntry | null): Pick<AgentOptions["starts"], "source" | "repositories"> {
  const { gguf, vllm = null, mlx = null } = entry?.sources ?? {};
  return {
    source: gguf === undefined ? null : { repo: gguf.repo, file: gguf.file ?? null },
    repositories: { vllm, mlx },
  };
}

/** What this machine's agent is told. `entry`: the default model's in the catalogue, where it has one. */
export function toAgentOptions(
  { config, bundledModel, engineCommand, engineEnv, engineChildEnv }: LeaderOptions,
  node: string,
  entry: CatalogEntry | null,
): AgentOptions {
  const { values } = config;
  const { engine } = values;
  return {
    dataDir: values.data_dir,
    node,
    modelsDir: values.storage.models_dir,
    bundledModel,
    defaultModel: values.router.default_model,
    ...toAttachedOptions(values),
    slots: engine.embedded_slots,
    contextTokens: engine.embedded_context,
    threads: engine.embedded_threads,
    gpu: engine.embedded_gpu,
    starts: {
      elsewhere: KINDS.filter((kind) => config.origin[`engine.${kind}_endpoint`]?.source !== "default"),
      llamaBinDir: engine.llama_bin_dir,
      ollamaBin: engine.ollama_bin,
      ports: parsePortRange(engine.port_range) ?? { first: 0, last: 0 },
      releaseUrl: engine.release_url,
      ...sourcesOf(entry),
    },
    childCommand: [...engineCommand],
    childEnv: { ...engineEnv, ...engineChildEnv },
  };
}

/** Engines that somebody else may have started, by the settings. */
export function toAttachedOptions({ engine, listen, cluster }: Config): AttachedOptions {
  return {
    enginePreferred: engine.preferred,
    endpoints: {
      ollama: { url: engine.ollama_endpoint, secret: "" },
      vllm: { url: engine.vllm_endpoint, secret: engine.vllm_api_key },
      mlx: { url: engine.mlx_endpoint, secret: "" },
      llamacpp: { url: engine.llamacpp_endpoint, secret: engine.llamacpp_api_key },
    },
    ownPorts: [listen, cluster.listen].map((address) => parseListen(address)?.port ?? 0).filter((port) => port > 0),
    ollama: {
      contextTokens: engine.ollama_context,
      slots: engine.ollama_slots,
      keepAlive: engine.ollama_keep_alive,
    },
    mlx: { model: engine.mlx_model, slots: engine.mlx_concurrency, contextTokens: engine.mlx_context },
  };
}
