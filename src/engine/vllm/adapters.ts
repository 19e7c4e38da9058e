import { err, ok, type Result } from "../../core/result.ts";
import { askEngine } from "../ask-engine.ts";
import type { Endpoint } from "../driver.ts";

/** Reading weights from a disk, and onto the GPU. */
const LOAD_TIMEOUT_MS = 120_000;
const STARTED_FOR_IT =
  "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment, then try again";

export interface VllmRefusal {
  readonly message: string;
  readonly mend: string;
}

/** Loads an adapter under a name that is then a model's id. The path is on vLLM's machine. */
export function loadVllmAdapter(
  at: Endpoint,
  { name, path }: { readonly name: string; readonly path: string },
  signal: AbortSignal,
): Promise<Result<void, VllmRefusal>> {
  return call(at, "/v1/load_lora_adapter", { lora_name: name, lora_path: path }, signal);
}

export function unloadVllmAdapter(at: Endpoint, name: string, signal: AbortSignal): Promise<Result<void, VllmRefusal>> {
  return call(at, "/v1/unload_lora_adapter", { lora_name: name }, signal);
}

/** Success is plain text. A server that was not started for it does not know the path: 404 without vLLM's own error. */
async function call(
  at: Endpoint,
  path: string,
  body: unknown,
  signal: AbortSignal,
): Promise<Result<void, VllmRefusal>> {
  const answer = await askEngine(at, path, signal, { body, timeoutMs: LOAD_TIMEOUT_MS });
  if (!answer.ok) return err({ message: `vLLM does not answer: ${answer.error}`, mend: "flock engine ls" });
  const { status, text } = answer.value;
  if (status === 200) return ok(undefined);
  if (status === 404 && !text.includes("NotFoundError")) {
    return err({ message: "this vLLM takes no adapters at run time", mend: STARTED_FOR_IT });
  }
  // Loaded already is what was wanted.
  if (status === 400 && text.includes("already been loaded")) return ok(undefined);
  return err({
    message: `vLLM refuses the adapter (${status}): ${text.slice(0, 300)}`,
    mend: "flock model adapter ls",
  });
}
