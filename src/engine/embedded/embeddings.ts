import type { LlamaEmbeddingContext, LlamaModel, Token } from "node-llama-cpp";
import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import { firstIssue } from "./chat-body.ts";
import type { Counters } from "./counters.ts";
import { contextExceeded, invalidRequest, type EngineError } from "./engine-error.ts";

const MAX_INPUTS = 2048;
/** Pooled over all tokens, a text must be evaluated in one batch, and a batch takes memory by its length. */
const MAX_POOLED_TOKENS = 8192;
/** `pooling_type` in GGUF; in these two the vector depends on more than the last token. */
const MEAN_OR_CLS = new Set([1, 2]);

const text = z.string().min(1);
const tokenList = z.array(z.int().min(0)).min(1);
const body = z.looseObject({
  model: z.string().nullish(),
  input: z.union([text, tokenList, z.array(text).min(1).max(MAX_INPUTS), z.array(tokenList).min(1).max(MAX_INPUTS)]),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.int().nullish(),
});

/** The library's embedding context, made at the first use: most replicas only chat. */
export class EmbeddingContext {
  readonly contextTokens: number;
  readonly #model: LlamaModel;
  readonly #threads: number;
  readonly #pooled: boolean;
  #context: Promise<LlamaEmbeddingContext> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(model: LlamaModel, contextTokens: number, threads: number) {
    const pooling: unknown = (model.fileInfo.architectureMetadata as Record<string, unknown>)["pooling_type"];
    this.#pooled = typeof pooling === "number" && MEAN_OR_CLS.has(pooling);
    this.contextTokens = this.#pooled ? Math.min(contextTokens, MAX_POOLED_TOKENS) : contextTokens;
    this.#model = model;
    this.#threads = threads;
  }

  /** The length with what the library puts around the text; and why it is too long, if it is. */
  async measure(tokens: readonly Token[]): Promise<Result<number, EngineError>> {
    const context = await this.#open();
    const length = context.calculateInputLength([...tokens]);
    return length < this.contextTokens ? ok(length) : err(contextExceeded(length, this.contextTokens));
  }

  /** A unit vector. One text at a time, in order; the library has no way to stop within one. */
  async vectorOf(tokens: readonly Token[], signal: AbortSignal): Promise<Float32Array> {
    const context = await this.#open();
    const turn = this.#last.then(async () => {
      signal.throwIfAborted();
      return await context.getEmbeddingFor([...tokens]);
    });
    this.#last = turn.catch(() => undefined);
    return normalised((await turn).vector);
  }

  #open(): Promise<LlamaEmbeddingContext> {
    this.#context ??= this.#create();
    return this.#context;
  }

  async #create(): Promise<LlamaEmbeddingContext> {
    try {
      return await this.#model.createEmbeddingContext({
        contextSize: this.contextTokens,
        threads: this.#threads,
        ...(this.#pooled ? { batchSize: this.contextTokens } : {}),
      });
    } catch (error) {
      // The next request may find more memory.
      this.#context = null;
      throw error;
    }
  }
}

/** `POST /v1/embeddings`. Throws the signal's reason when the client hangs up. */
export async function embed(
  input: unknown,
  loaded: { readonly model: LlamaModel; readonly embeddings: EmbeddingContext },
  modelId: string,
  counters: Counters,
  signal: AbortSignal,
): Promise<Result<object, EngineError>> {
  const parsed = body.safeParse(input);
  if (!parsed.success) return err(firstIssue(parsed.error));
  const { model } = loaded;
  const { dimensions } = parsed.data;
  const size = model.embeddingVectorSize;
  if (typeof dimensions === "number" && dimensions !== size) {
    return err(invalidRequest(`'dimensions': this model's vectors have ${size}`, "dimensions"));
  }
  const vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const inputs = toInputs(parsed.data.input).map((item) =>
    typeof item === "string" ? model.tokenize(item) : (item as Token[]),
  );
  let promptTokens = 0;
  for (const tokens of inputs) {
    const strange = tokens.find((token) => token >= vocabularySize);
    if (strange !== undefined) return err(invalidRequest(`'input': the model has no token ${strange}`, "input"));
    const length = await loaded.embeddings.measure(tokens);
    if (!length.ok) return length;
    promptTokens += length.value;
  }
  const data: object[] = [];
  for (const [index, tokens] of inputs.entries()) {
    const vector = await loaded.embeddings.vectorOf(tokens, signal);
    counters.embeddingTokens += tokens.length;
    const embedding = parsed.data.encoding_format === "base64" ? toBase64(vector) : Array.from(vector);
    data.push({ object: "embedding", index, embedding });
  }
  return ok({
    object: "list",
    model: parsed.data.model ?? modelId,
    data,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  });
}

function toInputs(input: z.infer<typeof body>["input"]): readonly (string | number[])[] {
  if (typeof input === "string") return [input];
  return input.every((item) => typeof item === "number") ? [input] : input;
}

/** llama.cpp leaves vectors of generating models as long as they come (norm 8 was seen). */
function normalised(vector: readonly number[]): Float32Array {
  const norm = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => (norm > 0 ? value / norm : 0));
}

/** Little-endian float32, as OpenAI's client unpacks it; every machine that Bun runs on is little-endian. */
function toBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer).toString("base64");
}
