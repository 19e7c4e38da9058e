import type { LlamaContextSequence, SequenceEvaluateOptions, Token } from "node-llama-cpp";
import type { Clock } from "../../core/clock.ts";
import type { Sampling } from "./chat-body.ts";
import type { Counters } from "./counters.ts";
import type { LoadedModel } from "./load-model.ts";
import { StopFilter } from "./stop-filter.ts";
import { TokenText } from "./token-text.ts";

export interface GenerateJob {
  /** The rendered prompt; shorter than the context. */
  readonly tokens: Token[];
  /** At least 1; prompt and answer together must not exceed the context. */
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
}

export interface GenerateEnd {
  readonly type: "end";
  readonly reason: "stop" | "length";
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly promptMs: number;
  readonly predictedMs: number;
}

export type GenerateEvent = { readonly type: "text"; readonly text: string } | GenerateEnd;

/** So many prompt tokens are evaluated between two looks at the signal. */
const PREFILL_SLICE_TOKENS = 256;
/** How far back the presence and frequency penalties look. */
const PENALTY_WINDOW_TOKENS = 1024;

/**
 * One answer: pieces of text, never empty, then one `end`. Throws the signal's reason at once while it waits for a
 * sequence, within a slice while it reads the prompt, within a token while it writes. Nothing is ever pushed out of the
 * context to make room: the caller has counted.
 */
export async function* generate(
  { model, pool }: Pick<LoadedModel, "model" | "pool">,
  job: GenerateJob,
  counters: Counters,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, void, undefined> {
  const sequence = await waitForSequence(pool, job.tokens, counters, signal);
  counters.sequencesBusy++;
  try {
    const startedMs = clock.monotonicMs();
    const cachedTokens = await prefill(sequence, job.tokens, counters, signal);
    const text = new TokenText(model, job.tokens);
    const filter = new StopFilter(job.stop);
    const written: Token[] = [];
    let firstTokenMs = startedMs;
    let ended = false;
    const last = job.tokens.slice(-1);
    for await (const token of sequence.evaluate(last, evaluateOptions(job.sampling, written))) {
      if (written.length === 0) {
        counters.promptTokensEvaluated++;
        firstTokenMs = clock.monotonicMs();
      }
      written.push(token);
      counters.tokensGenerated++;
      signal.throwIfAborted();
      ended = model.isEogToken(token);
      if (ended) break;
      const free = filter.push(text.push(token));
      if (free !== "") yield { type: "text", text: free };
      ended = filter.hit !== null;
      if (ended || written.length >= job.maxTokens) break;
      // The reader may have taken its time over the last piece.
      signal.throwIfAborted();
    }
    if (filter.hit === null) {
      const free = filter.push(text.flush()) + (filter.hit === null ? filter.flush() : "");
      ended ||= filter.hit !== null;
      if (free !== "") yield { type: "text", text: free };
    }
    yield {
      type: "end",
      reason: ended ? "stop" : "length",
      promptTokens: job.tokens.length,
      cachedTokens,
      completionTokens: written.length,
      promptMs: firstTokenMs - startedMs,
      predictedMs: clock.monotonicMs() - firstTokenMs,
    };
  } catch (error) {
    // After a failed evaluation nobody knows what the sequence holds; after an abort its state is sound.
    if (!signal.aborted) await sequence.clearHistory();
    throw error;
  } finally {
    counters.sequencesBusy--;
    pool.release(sequence);
  }
}

async function waitForSequence(
  pool: LoadedModel["pool"],
  tokens: Token[],
  counters: Counters,
  signal: AbortSignal,
): Promise<LlamaContextSequence> {
  counters.requestsWaiting++;
  try {
    return await pool.acquire(tokens, signal);
  } finally {
    counters.requestsWaiting--;
  }
}

/** Brings all but the last token into the sequence. Gives the number that was there already. */
async function prefill(
  sequence: LlamaContextSequence,
  tokens: Token[],
  counters: Counters,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted();
  const cachedTokens = await keepPrefix(sequence, tokens);
  counters.promptTokensCached += cachedTokens;
  const end = tokens.length - 1;
  for (let at = cachedTokens; at < end; at += PREFILL_SLICE_TOKENS) {
    signal.throwIfAborted();
    const slice = tokens.slice(at, Math.min(at + PREFILL_SLICE_TOKENS, end));
    await sequence.evaluateWithoutGeneratingNewTokens(slice);
    counters.promptTokensEvaluated += slice.length;
  }
  signal.throwIfAborted();
  return cachedTokens;
}

async function keepPrefix(sequence: LlamaContextSequence, tokens: Token[]): Promise<number> {
  const shared = Math.min(sequence.compareContextTokens(tokens).firstDifferentIndex, tokens.length - 1);
  if (shared === sequence.nextTokenIndex) return shared;
  const { isRecurrent, isHybrid } = sequence.model.fileInsights;
  // Recurrent state cannot be cut, and a sliding window has dropped what lies before it. Asked to cut there, the library
  // evaluates the whole prefix again in one go, which no signal stops; from an empty state we do it in slices.
  const canCut = !isRecurrent && !isHybrid && shared > Math.max(0, sequence.stateCellsStartIndex);
  if (!canCut) {
    await sequence.clearHistory();
    return 0;
  }
  await sequence.eraseContextTokenRanges([{ start: shared, end: sequence.nextTokenIndex }]);
  return shared;
}

function evaluateOptions(sampling: Sampling, written: readonly Token[]): SequenceEvaluateOptions {
  const { presencePenalty, frequencyPenalty } = sampling;
  return {
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK: sampling.topK,
    minP: sampling.minP,
    seed: sampling.seed,
    // The token that ends the answer was computed and counts, as it does in llama-server.
    yieldEogToken: true,
    ...(presencePenalty === 0 && frequencyPenalty === 0
      ? {}
      : {
          repeatPenalty: {
            punishTokens: () => written.slice(-PENALTY_WINDOW_TOKENS),
            maxPunishTokens: PENALTY_WINDOW_TOKENS,
            penalty: 1,
            presencePenalty,
            frequencyPenalty,
          },
        }),
  };
}
