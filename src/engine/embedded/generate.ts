import {
  type LlamaContextSequence,
  type LlamaGrammarEvaluationState,
  type SequenceEvaluateOptions,
  type Token,
  TokenBias,
} from "node-llama-cpp";
import type { Clock } from "../../core/clock.ts";
import type { AnswerPart } from "../../dialect/tool-text/answer-part.ts";
import { AnswerReader, type AnswerForm } from "./answer/answer-reader.ts";
import type { Sampling } from "./chat-call.ts";
import { batchPlace } from "./batching.ts";
import { breathe } from "./breathe.ts";
import { chooseToken, seededRandom } from "./choose-token.ts";
import type { Counters } from "./counters.ts";
import type { LoadedModel } from "./load-model.ts";
import { describeToken, type TokenLogprob } from "./logprobs.ts";
import { keepPrefix, keepState } from "./prefix.ts";
import type { SliceSize } from "./slice-size.ts";
import { StopFilter } from "./stop-filter.ts";
import { TokenText } from "./token-text.ts";

export interface GenerateJob {
  /** The rendered prompt; shorter than the context. */
  readonly tokens: Token[];
  /** At least 1; prompt and answer together must not exceed the context. */
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** How the model's text is read. */
  readonly form: AnswerForm;
  /** Control tokens that are text in this form. */
  readonly marks: ReadonlyMap<Token, string>;
  /** Holds the answer to a form; null: it is free. */
  readonly grammar: { readonly state: LlamaGrammarEvaluationState; readonly afterThinking: boolean } | null;
  /** So many alternatives with each token's log probability; null: none. */
  readonly logprobs: number | null;
  /** Thinking is closed with these tokens after so many. */
  readonly thinkingLimit: { readonly tokens: number; readonly close: readonly Token[] } | null;
}

export interface GenerateEnd {
  readonly type: "end";
  readonly reason: "stop" | "length";
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly thinkingTokens: number;
  readonly promptMs: number;
  readonly predictedMs: number;
}

/** `logprobs`: of the tokens since the last text. */
export type GenerateEvent = (AnswerPart & { readonly logprobs?: readonly TokenLogprob[] }) | GenerateEnd;

/** How far back the presence and frequency penalties look. */
const PENALTY_WINDOW_TOKENS = 1024;

/**
 * One answer: its parts, then one `end`. Throws the signal's reason at once while it waits for a sequence, within a
 * slice while it reads the prompt, within a token while it writes. Nothing is ever pushed out of the context to make
 * room: the caller has counted.
 */
export async function* generate(
  { model, pool, sliceSize, silent }: Pick<LoadedModel, "model" | "pool" | "sliceSize" | "silent">,
  job: GenerateJob,
  counters: Counters,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, void, undefined> {
  const sequence = await waitForSequence(pool, job.tokens, counters, signal);
  counters.sequencesBusy++;
  try {
    const startedMs = clock.monotonicMs();
    const cachedTokens = await prefill(sequence, job.tokens, sliceSize, counters, clock, signal);
    const text = new TokenText(model, job.tokens, job.marks);
    const filter = new StopFilter(job.stop);
    const reader = new AnswerReader(job.form);
    const random = seededRandom(job.sampling.seed);
    const written: Token[] = [];
    let logprobs: TokenLogprob[] = [];
    let firstTokenMs = startedMs;
    let thinkingTokens = 0;
    let ended = false;
    const withLogprobs = (parts: AnswerPart[]): GenerateEvent[] =>
      parts.map((part) => {
        if (job.logprobs === null) return part;
        const these = logprobs;
        // Only text has them, in OpenAI's shape.
        logprobs = [];
        return part.type === "text" ? { ...part, logprobs: these } : part;
      });

    const tokens = sequence.evaluateWithMetadata(
      job.tokens.slice(-1),
      // The type tells what comes when they are asked for, which is when they are looked at.
      { probabilities: job.logprobs !== null } as { readonly probabilities: true },
      { ...evaluateOptions(job, model, silent, reader, written), evaluationPriority: batchPlace(sequence) },
    );
    try {
      for (let step = await tokens.next(); !step.done;) {
        if (written.length === 0) {
          counters.promptTokensEvaluated++;
          firstTokenMs = clock.monotonicMs();
        }
        const { probabilities } = step.value;
        const own = job.logprobs !== null && job.grammar === null && job.sampling.temperature > 0;
        let next = [own ? chooseToken(probabilities, job.sampling, random) : step.value.token];
        if (reader.isThinking && job.thinkingLimit !== null && thinkingTokens >= job.thinkingLimit.tokens) {
          next = job.thinkingLimit.close.slice(0, job.maxTokens - written.length);
        }
        counters.tokensGenerated++;
        signal.throwIfAborted();
        for (const token of next) {
          written.push(token);
          if (reader.isThinking) thinkingTokens++;
          ended = model.isEogToken(token);
          if (ended) break;
          if (job.logprobs !== null) logprobs.push(describeToken(model, token, probabilities, job.logprobs));
          const parts = reader.push(filter.push(text.push(token)));
          for (const event of withLogprobs(parts)) yield event;
          ended = filter.hit !== null || reader.isOver;
          if (ended) break;
        }
        if (ended || written.length >= job.maxTokens) break;
        await breathe();
        // The reader may have taken its time over the last piece.
        signal.throwIfAborted();
        step = await tokens.next(next);
      }
    } finally {
      await tokens.return();
    }
    if (filter.hit === null && !reader.isOver) {
      const rest = filter.push(text.flush()) + (filter.hit === null ? filter.flush() : "");
      ended ||= filter.hit !== null;
      for (const event of withLogprobs(reader.push(rest))) yield event;
    }
    for (const event of withLogprobs(reader.end())) yield event;
    await keepState(sequence);
    yield {
      type: "end",
      reason: ended ? "stop" : "length",
      promptTokens: job.tokens.length,
      cachedTokens,
      completionTokens: written.length,
      thinkingTokens,
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
  sliceSize: SliceSize,
  counters: Counters,
  clock: Clock,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted();
  const cachedTokens = await keepPrefix(sequence, tokens);
  counters.promptTokensCached += cachedTokens;
  const end = tokens.length - 1;
  for (let at = cachedTokens; at < end;) {
    signal.throwIfAborted();
    const most = sliceSize.tokens(counters.sequencesBusy > 1);
    // A small rest goes along with the last whole slice.
    const slice = tokens.slice(at, end - at < most * 1.5 ? end : at + most);
    const startedMs = clock.monotonicMs();
    await sequence.evaluateWithoutGeneratingNewTokens(slice, { evaluationPriority: batchPlace(sequence) });
    sliceSize.took(slice.length, clock.monotonicMs() - startedMs);
    counters.promptTokensEvaluated += slice.length;
    at += slice.length;
    await breathe();
  }
  signal.throwIfAborted();
  if (end > cachedTokens) await keepState(sequence);
  return cachedTokens;
}

function evaluateOptions(
  job: GenerateJob,
  model: LoadedModel["model"],
  silent: readonly Token[],
  reader: AnswerReader,
  written: readonly Token[],
): SequenceEvaluateOptions {
  const { sampling, grammar, logprobs } = job;
  const { presencePenalty, frequencyPenalty, logitBias } = sampling;
  // Without cuts the library tells the model's own probabilities; `chooseToken` then does what they would have done.
  const cuts =
    logprobs !== null && grammar === null
      ? { temperature: 0 }
      : { temperature: sampling.temperature, topP: sampling.topP, topK: sampling.topK, minP: sampling.minP };
  return {
    ...cuts,
    seed: sampling.seed,
    // The token that ends the answer was computed and counts, as it does in llama-server.
    yieldEogToken: true,
    ...(grammar === null
      ? {}
      : { grammarEvaluationState: () => (grammar.afterThinking && reader.isThinking ? undefined : grammar.state) }),
    ...tokenBias(model, logitBias, grammar === null ? [] : silent.filter((token) => !job.marks.has(token))),
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

/** `never`: would count as text to the grammar, and be missing in the answer. */
function tokenBias(
  model: LoadedModel["model"],
  logitBias: ReadonlyMap<number, number>,
  never: Token[],
): { readonly tokenBias?: TokenBias } {
  if (logitBias.size === 0 && never.length === 0) return {};
  const bias = new TokenBias(model.tokenizer);
  for (const [token, logit] of logitBias) bias.set(token as Token, { logit });
  if (never.length > 0) bias.set(never, "never");
  return { tokenBias: bias };
}
