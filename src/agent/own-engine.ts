import { statSync } from "node:fs";
import { totalmem } from "node:os";
import { err, ok, type Result } from "../core/result.ts";
import type { EngineManager, LaunchSpec } from "../engine/driver.ts";
import { readCgroupLimits } from "../engine/embedded/cgroup.ts";
import { chooseShape, estimateLlamaServer } from "../engine/llama-cpp/estimate.ts";
import { readGgufHeader } from "../engine/llama-cpp/gguf-header.ts";
import { llamaServerLaunch } from "../engine/llama-cpp/launch.ts";
import { mlxLaunch } from "../engine/mlx/launch.ts";
import { mlxManager } from "../engine/mlx/manage.ts";
import { ollamaLaunch } from "../engine/ollama/launch.ts";
import { vllmLaunch } from "../engine/vllm/launch.ts";
import type { Adapter } from "./adapters.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { ModelChoice } from "./choose-model.ts";
import { type AttachedKind, unlookedFor } from "./engine-candidates.ts";
import { findBinary } from "./find-binary.ts";
import { findLlamaProgram } from "./find-llama-program.ts";
import { readGpus } from "./gpus.ts";

/** An engine of another program that Flock starts itself. */
export interface OwnEngine {
  readonly manager: EngineManager;
  /** Null where it finds its models itself. */
  readonly modelId: string | null;
  /** Under this id, with these adapters. `model` counts only for kinds that serve GGUF files. */
  readonly spec: (id: string, model: ModelChoice, adapters: readonly Adapter[]) => LaunchSpec;
  /** Serves further GGUF files, each in a process of its own. */
  readonly isGguf: boolean;
}

interface OwnEngineParts {
  readonly options: AgentOptions;
  readonly manager: EngineManager;
  /** The GGUF file that is served, with the smoke-test one as the last resort. */
  readonly model: ModelChoice;
  readonly threads: number;
}

/** How long the start waits to hear whether the wanted engine runs already: then it answers in milliseconds. */
const LOOK_MS = 1_500;

/**
 * What to start for the wanted kind. Null: it runs already, or somebody said where it will, and then it is waited for
 * there. The error says what is missing to start one.
 */
export async function startOfOwn(
  kind: AttachedKind,
  manager: EngineManager,
  parts: Pick<OwnEngineParts, "options" | "model" | "threads"> & { readonly runs: boolean },
  signal: AbortSignal,
): Promise<Result<OwnEngine, string> | null> {
  const { options } = parts;
  const { url } = options.endpoints[kind];
  // One that an earlier agent started is ours, also where it answers at the usual address.
  if (!parts.runs && url !== "" && unlookedFor(kind, options) === null) {
    if (options.starts.elsewhere.includes(kind)) return null;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
    if ((await manager.probe(options.endpoints[kind], limit)).ok) return null;
  }
  return await ownEngine(kind, { ...parts, manager }, signal);
}

/** What starts the wanted kind on this machine; the error says what is missing, with the command that mends it. */
async function ownEngine(
  kind: AttachedKind,
  parts: OwnEngineParts,
  signal: AbortSignal,
): Promise<Result<OwnEngine, string>> {
  switch (kind) {
    case "llamacpp":
      return await ownLlamaServer(parts, signal);
    case "vllm":
    case "mlx":
      return ownOfRepository(kind, parts);
    case "ollama":
      return ownOllama(parts);
  }
}

async function ownLlamaServer(parts: OwnEngineParts, signal: AbortSignal): Promise<Result<OwnEngine, string>> {
  const { options, manager, model, threads } = parts;
  const { starts, childEnv } = options;
  const binary = findLlamaProgram("llama-server", options);
  if (!binary.ok) return err(`${binary.error}: flock engine install llamacpp`);
  const memory = await memoryOf(options, signal);
  const spec = (id: string, choice: ModelChoice, adapters: readonly Adapter[]): LaunchSpec => {
    const modelBytes = statSync(choice.path, { throwIfNoEntry: false })?.size ?? 0;
    const wish = { contextTokens: options.contextTokens, slots: options.slots };
    const header = readGgufHeader(choice.path) ?? new Map();
    const shape = chooseShape(wish, estimateLlamaServer(header), modelBytes, memory(modelBytes));
    return llamaServerLaunch({
      id,
      binary: binary.value,
      modelPath: choice.path,
      modelId: choice.modelId,
      modelBytes,
      ...shape,
      threads,
      gpu: options.gpu,
      ports: starts.ports,
      adapters,
      childEnv: engineEnv(childEnv),
      cwd: options.dataDir,
    });
  };
  return ok({ manager, modelId: model.modelId, spec, isGguf: true });
}

/** The GPU's memory where the weights fit into it, else the machine's: what is free at the moment is no measure. */
async function memoryOf(options: AgentOptions, signal: AbortSignal): Promise<(modelBytes: number) => number> {
  const limit = readCgroupLimits().memoryBytes;
  const machine = Math.min(limit ?? Infinity, totalmem());
  const gpus = options.gpu === "off" ? [] : await readGpus(signal);
  const gpu = gpus.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
  return (modelBytes) => (gpu > modelBytes ? gpu : machine);
}

function ownOfRepository(kind: "vllm" | "mlx", { options, manager }: OwnEngineParts): Result<OwnEngine, string> {
  const { starts, childEnv, defaultModel, contextTokens, dataDir } = options;
  const program = kind === "vllm" ? "vllm" : "mlx_lm.server";
  const path = childEnv["PATH"] ?? "";
  const binary = findBinary(program, { named: "", variable: "", installed: null, path });
  if (!binary.ok) return err(`${binary.error}: ${INSTALL[kind]}`);
  const model = starts.repositories[kind] ?? repositoryOf(defaultModel);
  if (model === null) {
    return err(`${program} needs to know its model: FLOCK_DEFAULT_MODEL=hf:<owner>/<repository>, or file:<directory>`);
  }
  const modelId = repositoryOf(defaultModel) === null ? defaultModel.toLowerCase() : idOf(model);
  const common = { binary: binary.value, model, ports: starts.ports, childEnv: engineEnv(childEnv), cwd: dataDir };
  if (kind === "vllm") {
    const spec: OwnEngine["spec"] = (id, _, adapters) =>
      vllmLaunch({ ...common, id, modelId, contextTokens, adapters });
    return ok({ manager, modelId, spec, isGguf: false });
  }
  const { slots, contextTokens: mlxContext } = options.mlx;
  return ok({
    manager: mlxManager({ model, slots, contextTokens: mlxContext }),
    modelId,
    spec: (id) => mlxLaunch({ ...common, id }),
    isGguf: false,
  });
}

const INSTALL = { vllm: "pip install vllm", mlx: "pip install mlx-lm" } as const;

/** A repository or a directory of weights; null: the name of something else. */
function repositoryOf(model: string): string | null {
  if (model.startsWith("hf:")) return model.slice("hf:".length);
  if (!model.startsWith("file:")) return null;
  const path = model.slice("file:".length);
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : null;
}

function idOf(model: string): string {
  return (model.split("/").at(-1) ?? model).toLowerCase();
}

function ownOllama({ options, manager }: OwnEngineParts): Result<OwnEngine, string> {
  const { starts, childEnv, endpoints, dataDir } = options;
  const path = childEnv["PATH"] ?? "";
  const binary = findBinary("ollama", { named: starts.ollamaBin, variable: "FLOCK_OLLAMA_BIN", installed: null, path });
  if (!binary.ok) return err(`${binary.error}: see Ollama's own pages, then: ollama serve`);
  const port = Number(URL.canParse(endpoints.ollama.url) ? new URL(endpoints.ollama.url).port : "") || 11_434;
  const common = { binary: binary.value, port, childEnv: engineEnv(childEnv), cwd: dataDir };
  return ok({ manager, modelId: null, spec: (id) => ollamaLaunch({ ...common, id }), isGguf: false });
}

/** What is meant for Flock's own child is nobody else's business. */
function engineEnv(childEnv: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(childEnv).filter(([name]) => !/^(FLOCK_|BUN_)/.test(name)));
}
