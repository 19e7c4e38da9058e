import { type GgufFileInfo, GgufInsights, type Llama, readGgufFileInfo } from "node-llama-cpp";
import type { MemoryEstimate } from "../fit.ts";
import { readFreeMemory } from "./free-memory.ts";

/** Reads the file's head, and has llama.cpp plan the model without allocating anything. */
export async function estimateMemory(llama: Llama, modelPath: string, signal: AbortSignal): Promise<MemoryEstimate> {
  const info: GgufFileInfo = await readGgufFileInfo(modelPath, { sourceType: "filesystem", signal });
  const insights = await GgufInsights.from(info, llama);
  const all = async (contextSize: number, sequences: number): Promise<number> =>
    sum(await insights.estimateContextResourceRequirementsV2({ contextSize, sequences, modelGpuLayers: 0 }));
  return {
    weightsBytes: sum(await insights.estimateModelResourceRequirementsV2({ gpuLayers: 0 })),
    trainedTokens: insights.trainContextSize ?? 4096,
    contextBytes: async (contextTokens, slots) => {
      // It is told as one number: what grows with the tokens is the cache.
      const [once, twice] = [await all(contextTokens, slots), await all(contextTokens * 2, slots)];
      const cacheBytes = Math.min(once, Math.max(0, twice - once));
      return { cacheBytes, computeBytes: once - cacheBytes };
    },
  };
}

function sum(needed: { readonly cpuRam: number; readonly gpuVram: number }): number {
  return needed.cpuRam + needed.gpuVram;
}

/** What the model may take: free memory, and the GPU's beside it where it is not the same. */
export async function freeMemoryFor(llama: Llama, signal: AbortSignal): Promise<number> {
  const ram = await readFreeMemory(signal);
  if (llama.gpu === false) return ram;
  const { free, unifiedSize } = await llama.getVramState();
  return unifiedSize > 0 || llama.gpu === "metal" ? ram : ram + free;
}
