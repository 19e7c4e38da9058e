/** Numbers since the start. All but the last two only ever grow, so that a test can see work that went on or stopped. */
export interface Counters {
  promptTokensEvaluated: number;
  promptTokensCached: number;
  tokensGenerated: number;
  /** Steps of the model, each for all sequences that had something to evaluate. */
  batches: number;
  embeddingTokens: number;
  requestsStarted: number;
  requestsFinished: number;
  /** Ended by the client's hanging up. */
  requestsAborted: number;
  requestsFailed: number;
  /** Requests that wait for a sequence now. */
  requestsWaiting: number;
  /** Sequences in use now. */
  sequencesBusy: number;
}

export function newCounters(): Counters {
  return {
    promptTokensEvaluated: 0,
    promptTokensCached: 0,
    tokensGenerated: 0,
    batches: 0,
    embeddingTokens: 0,
    requestsStarted: 0,
    requestsFinished: 0,
    requestsAborted: 0,
    requestsFailed: 0,
    requestsWaiting: 0,
    sequencesBusy: 0,
  };
}
