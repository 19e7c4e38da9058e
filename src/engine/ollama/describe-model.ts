import { z } from "zod";
import type { ModelAbilities } from "../../core/replica.ts";
import { unambiguousSyntaxOf } from "../../dialect/tool-text/tool-syntax.ts";
import type { ServedModel } from "../driver.ts";
import { chooseNumCtx, contextLengthOf, kvBytesPerToken, numCtxOf } from "./num-ctx.ts";

/** One entry of `GET /api/tags`. */
export const tag = z.looseObject({
  name: z.string().min(1),
  digest: z.string().nullish(),
  size: z.number().nonnegative().nullish(),
  capabilities: z.array(z.string()).nullish(),
  /** Only a model that runs on the vendor's machines has these. */
  remote_model: z.string().nullish(),
  remote_host: z.string().nullish(),
});
export type Tag = z.infer<typeof tag>;

/** The parts of `POST /api/show` that are looked at. */
export const shown = z.looseObject({
  parameters: z.string().nullish(),
  template: z.string().nullish(),
  capabilities: z.array(z.string()).nullish(),
  model_info: z.record(z.string(), z.unknown()).nullish(),
});
export type Shown = z.infer<typeof shown>;

export interface OllamaSettings {
  /** 0: chosen to fit. */
  readonly contextTokens: number;
  /** As many answers at once of one model as `OLLAMA_NUM_PARALLEL` says: nothing that Ollama tells does. */
  readonly slots: number;
  /** "": as Ollama is set up. */
  readonly keepAlive: string;
  /** Of the machine that Ollama runs on; null: it is another one. */
  readonly memoryBytes: number | null;
}

export function toServedModel(listed: Tag, described: Shown, settings: OllamaSettings): ServedModel {
  const info = described.model_info ?? {};
  const contextTokens = chooseNumCtx({
    configured: settings.contextTokens,
    ofModelfile: numCtxOf(described.parameters),
    ofModel: contextLengthOf(info),
    bytesPerToken: kvBytesPerToken(info),
    weightsBytes: listed.size ?? 0,
    memoryBytes: settings.memoryBytes,
  });
  const toolSyntax = unambiguousSyntaxOf(described.template);
  return {
    model: toModelId(listed.name),
    engineModel: listed.name,
    contextTokens,
    slots: settings.slots,
    abilities: toAbilities(described.capabilities ?? listed.capabilities ?? null),
    smokeTest: false,
    ...(toolSyntax === undefined ? {} : { toolSyntax }),
    ...(settings.keepAlive === "" ? {} : { keepAlive: toKeepAlive(settings.keepAlive) }),
  };
}

/** `llama3.2:latest` is `llama3.2` to everybody. */
function toModelId(name: string): string {
  return name.replace(/:latest$/i, "").toLowerCase();
}

/** Old versions tell no capabilities: then all that is refused is refused by the engine. */
function toAbilities(capabilities: readonly string[] | null): ModelAbilities {
  const can = (name: string): boolean => capabilities?.includes(name) ?? false;
  return {
    chat: capabilities === null || can("completion"),
    embeddings: can("embedding"),
    rerank: false,
    tools: capabilities === null || can("tools"),
    images: can("vision"),
    audio: can("audio"),
    thinking: can("thinking"),
    ...(can("insert") ? { insert: true } : {}),
  };
}

/** `-1`, `300`: seconds; `10m`: a duration. */
function toKeepAlive(text: string): string | number {
  return /^-?\d+$/.test(text) ? Number(text) : text;
}
