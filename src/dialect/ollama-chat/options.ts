import type { ChatRequest, JsonObject, Sampling } from "../../core/chat-request.ts";
import type { OllamaOptions } from "../../wire/ollama.ts";

type Limits = Pick<ChatRequest, "stop" | "sampling" | "maxOutputTokens">;

/** Our name of each sampling option, by Ollama's. */
const SAMPLING = [
  ["temperature", "temperature"],
  ["top_p", "topP"],
  ["top_k", "topK"],
  ["min_p", "minP"],
  ["seed", "seed"],
  ["presence_penalty", "presencePenalty"],
  ["frequency_penalty", "frequencyPenalty"],
] as const satisfies readonly (readonly [keyof OllamaOptions, keyof Sampling])[];

const UNDERSTOOD = new Set<string>(["num_predict", "stop", ...SAMPLING.map(([name]) => name)]);

export function parseOptions(options: OllamaOptions | null | undefined): Limits {
  const sampling: { -readonly [K in keyof Sampling]: Sampling[K] } = {};
  for (const [wireName, name] of SAMPLING) {
    const value = options?.[wireName];
    if (typeof value === "number") sampling[name] = value;
  }
  const most = options?.num_predict;
  const stop = options?.stop ?? [];
  return {
    // Below 0 it is no limit, or the rest of the window.
    ...(typeof most === "number" && most >= 0 ? { maxOutputTokens: most } : {}),
    stop: typeof stop === "string" ? [stop] : stop,
    sampling,
  };
}

export function toOptions({ stop, sampling, maxOutputTokens }: Limits): JsonObject {
  const options: JsonObject = {};
  for (const [wireName, name] of SAMPLING) {
    const value = sampling[name];
    if (value !== undefined) options[wireName] = value;
  }
  if (maxOutputTokens !== undefined) options.num_predict = maxOutputTokens;
  if (stop.length > 0) options.stop = [...stop];
  return options;
}

/**
 * Options that have no word in the core vocabulary (`options.num_ctx`, `options.repeat_penalty`, …). They are passed
 * over, as Ollama itself passes over what it does not know: its clients send whole sets of them unasked.
 */
export function ignoredOptions(options: JsonObject): string[] {
  const given = Object.entries(options).filter(([name, value]) => value !== null && !UNDERSTOOD.has(name));
  return given.map(([name]) => `options.${name}`);
}
