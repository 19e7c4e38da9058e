import type { AgentOptions } from "../agent/agent-options.ts";
import type { AttachedOptions } from "../agent/attached-managers.ts";
import { parseListen } from "../config/listen.ts";
import type { Config } from "../config/settings.ts";
import type { CatalogEntry } from "../catalog/entry.ts";
import { parsePortRange } from "../config/port-range.ts";
import { openCatalogOf } from "./catalog.ts";
import type { StartOptions } from "./start-options.ts";

/**
 * The catalogue's entry of the default model. The catalogue is read for the sake of engines that Flock starts itself with
 * what an entry names, and for nothing else at the start.
 */
async function entryOfDefault({ config, bundledCatalog }: StartOptions): Promise<CatalogEntry | null> {
  const { engine, router } = config.values;
  const wanted = router.default_model.toLowerCase();
  if (wanted === "" || wanted.includes(":") || engine.preferred === "auto" || engine.preferred === "embedded")
    return null;
  const { entries } = await (await openCatalogOf(config.values, bundledCatalog)).read();
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

/** What this machine's agent is told. */
export async function toAgentOptions(options: StartOptions, node: string): Promise<AgentOptions> {
  const { config, bundledModel, engineCommand, engineEnv, engineChildEnv } = options;
  const entry = await entryOfDefault(options);
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
