import type { Gpu, NodeState } from "../core/node.ts";

/** Something that works, but that the operator should know, with the command that mends it. */
export interface Hint {
  readonly message: string;
  readonly command: string;
}

export interface HintInput {
  readonly state: NodeState | null;
  readonly defaultModel: string;
  /** How this Flock is called from a shell. */
  readonly program: string;
  readonly gpuCommand: string;
  readonly keyProblem: { readonly message: string; readonly mend: string } | null;
}

const WITH_COMMAND = /^(.*): ((?:flock|ollama|pip|brew|vllm|mlx_lm\.server|llama-server) .*)$/s;

export function hints({ state, defaultModel, program, gpuCommand, keyProblem }: HintInput): Hint[] {
  const found: Hint[] = [];
  if (keyProblem) found.push({ message: keyProblem.message, command: keyProblem.mend });
  if (!state) return found;
  for (const problem of state.problems) {
    // Most end in the command that mends them.
    const [, message = problem, command = `${program} status`] = WITH_COMMAND.exec(problem) ?? [];
    found.push({ message, command });
  }
  for (const gpu of unusedGpus(state)) {
    found.push({ message: `${gpu.name} is not used by the embedded engine`, command: gpuCommand });
  }
  if (state.replicas.some((replica) => replica.model === defaultModel && replica.smokeTest)) {
    const message = `${defaultModel} is a smoke-test model: put a GGUF file into the models directory and start again`;
    found.push({ message, command: `${program} down; ${program} up` });
  }
  return found;
}

/** Apple's GPU is always used (Metal is built in); others only when the embedded engine says so. */
export function unusedGpus(state: NodeState): readonly Gpu[] {
  if (state.embeddedGpu !== null || !state.engines.some((engine) => engine.kind === "embedded")) return [];
  return state.inventory.gpus;
}
