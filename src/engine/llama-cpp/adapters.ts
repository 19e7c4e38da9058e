import { basename } from "node:path";
import { z } from "zod";
import type { Replica } from "../../core/replica.ts";
import { askEngine } from "../ask-engine.ts";
import type { Endpoint } from "../driver.ts";

const adapters = z.array(z.looseObject({ id: z.int().min(0), path: z.string().min(1), scale: z.number() }));

export interface LlamaServerAdapter {
  readonly index: number;
  /** The model's id that it makes: its file's name. */
  readonly model: string;
}

/** Those that wait to be asked for. One that is applied to every request is part of the model itself. */
export async function readAdapters(at: Endpoint, signal: AbortSignal): Promise<readonly LlamaServerAdapter[]> {
  const answer = await askEngine(at, "/lora-adapters", signal);
  const parsed = adapters.safeParse(answer.ok && answer.value.status === 200 ? answer.value.body : null);
  if (!parsed.success) return [];
  return parsed.data
    .filter(({ scale }) => scale === 0)
    .map(({ id, path }) => ({
      index: id,
      model: basename(path)
        .replace(/\.gguf$/i, "")
        .toLowerCase(),
    }));
}

/**
 * Takes all adapters off what is not asked for them: llama-server b10434 applies them to every request in spite of
 * `--lora-init-without-apply`. To be called before the first request, whose cached prompt would carry them on. False: it
 * did not answer.
 */
export async function restAdapters(at: Endpoint, signal: AbortSignal): Promise<boolean> {
  const answer = await askEngine(at, "/lora-adapters", signal);
  const parsed = adapters.safeParse(answer.ok && answer.value.status === 200 ? answer.value.body : null);
  if (!parsed.success) return false;
  if (parsed.data.every(({ scale }) => scale === 0)) return true;
  const body = parsed.data.map(({ id }) => ({ id, scale: 0 }));
  const done = await askEngine(at, "/lora-adapters", signal, { body });
  return done.ok && done.value.status === 200;
}

/**
 * What requests say of the adapters: one of them, or none, and that of each by its number. Left unsaid, a request would be
 * answered out of a prompt that was cached with an adapter on (seen with b10434).
 */
export function loraFor(
  all: readonly LlamaServerAdapter[],
  on: LlamaServerAdapter | null,
): NonNullable<Replica["lora"]> {
  return all.map((adapter) => ({ id: adapter.index, scale: adapter === on ? 1 : 0 }));
}
