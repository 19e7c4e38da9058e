import type { ModelNeed } from "./place.ts";

/** The catalogue's word on a model; all of it optional. */
export interface KnownFloors {
  readonly minMemoryBytes: number;
  readonly minVramBytes: number;
}

/** Beside the weights: context of a few answers, compute buffers, the process itself. */
const WORKING_SHARE = 0.15;
const WORKING_BYTES = 256 * 1024 ** 2;

/**
 * What a model of these weights takes. An estimate to choose a node by; whether it really fits the engine measures when
 * it loads, with the context cut to what is there.
 */
export function modelNeed(model: string, weightBytes: number, floors: KnownFloors | null, unasked: boolean): ModelNeed {
  return {
    model,
    memoryBytes: Math.ceil(weightBytes * (1 + WORKING_SHARE) + WORKING_BYTES),
    minMemoryBytes: floors?.minMemoryBytes ?? 0,
    minVramBytes: floors?.minVramBytes ?? 0,
    unasked,
  };
}
