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

/** What a request for an adapter's model says; those that are not named are not applied. Undefined: it is for the model. */
export function loraOf({ adapter }: Replica): { id: number; scale: number }[] | undefined {
  return adapter === undefined ? undefined : [{ id: adapter, scale: 1 }];
}
