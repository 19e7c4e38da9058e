/** What the context's size is chosen by. It must come out the same every time: another size loads the model anew. */
export interface NumCtxFacts {
  /** `engine.ollama_context`; 0: choose. */
  readonly configured: number;
  /** Of the Modelfile; null: it sets none. */
  readonly ofModelfile: number | null;
  /** The most the model was made for; null: not told. */
  readonly ofModel: number | null;
  /** Of the KV cache, a token; null: not told. */
  readonly bytesPerToken: number | null;
  readonly weightsBytes: number;
  /** Of the machine; null: Ollama runs on another one. */
  readonly memoryBytes: number | null;
}

/** Ollama's own choice where little memory is known of; agents need far more. */
const LEAST = 4_096;
/** What coding agents need; more costs memory for all and helps few. */
const MOST = 65_536;
/** The part of a machine's memory that a model and its cache may take. */
const SHARE = 0.6;

/** The `num_ctx` of a model: what somebody chose, else the largest of the usual sizes that fits beside the weights. */
export function chooseNumCtx(facts: NumCtxFacts): number {
  const limit = facts.ofModel ?? Number.POSITIVE_INFINITY;
  if (facts.configured > 0) return Math.min(facts.configured, limit);
  if (facts.ofModelfile !== null) return Math.min(facts.ofModelfile, limit);
  const { bytesPerToken, memoryBytes, weightsBytes } = facts;
  if (bytesPerToken === null || memoryBytes === null) return Math.min(LEAST * 2, limit);
  const roomBytes = memoryBytes * SHARE - weightsBytes;
  let size = MOST;
  while (size > LEAST && size * bytesPerToken > roomBytes) size /= 2;
  return Math.min(size, limit);
}

/** A line of a Modelfile's parameters: `num_ctx                        8192`. */
export function numCtxOf(parameters: string | null | undefined): number | null {
  const found = /^\s*num_ctx\s+(\d+)\s*$/m.exec(parameters ?? "");
  const size = Number(found?.[1] ?? 0);
  return size > 0 ? size : null;
}

/** From the GGUF keys that `/api/show` gives, which are named after the architecture. */
export function kvBytesPerToken(info: Readonly<Record<string, unknown>>): number | null {
  const architecture = info["general.architecture"];
  if (typeof architecture !== "string") return null;
  const number = (name: string): number | null => positive(info[`${architecture}.${name}`]);
  const layers = number("block_count");
  const heads = number("attention.head_count");
  const embedding = number("embedding_length");
  if (layers === null || heads === null || embedding === null) return null;
  const headLength = embedding / heads;
  const keys = number("attention.key_length") ?? headLength;
  const values = number("attention.value_length") ?? headLength;
  // Keys and values in 16 bits each, for every layer.
  return layers * (number("attention.head_count_kv") ?? heads) * (keys + values) * 2;
}

export function contextLengthOf(info: Readonly<Record<string, unknown>>): number | null {
  const architecture = info["general.architecture"];
  return typeof architecture === "string" ? positive(info[`${architecture}.context_length`]) : null;
}

/** Some architectures have a list, one number a layer: the largest is on the safe side. */
function positive(value: unknown): number | null {
  if (Array.isArray(value)) return positive(Math.max(0, ...value.filter((one) => typeof one === "number")));
  return typeof value === "number" && value > 0 ? value : null;
}
