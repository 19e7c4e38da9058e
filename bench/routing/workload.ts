import { Random } from "./random.ts";

/** Many questions about a few long documents: each prompt is one of them and a question of its own. */
export interface Workload {
  readonly prefixes: number;
  readonly prefixTokens: number;
  readonly questionTokens: number;
  readonly outputTokens: number;
  readonly requestsPerSecond: number;
  readonly seconds: number;
}

export const SHARED_PREFIXES: Workload = {
  prefixes: 150,
  prefixTokens: 6_000,
  questionTokens: 1_200,
  outputTokens: 150,
  requestsPerSecond: 28,
  seconds: 75,
};

const BYTES_PER_TOKEN = 4;

export interface Arrival {
  readonly afterMs: number;
  readonly prefix: number;
  /** The whole prompt, as bytes. */
  readonly prompt: Uint8Array;
}

/** What arrives, one after the other, without an end. */
export function* arrivals(workload: Workload, seed: number): Generator<Arrival> {
  const random = new Random(seed);
  const documents = Array.from({ length: workload.prefixes }, () =>
    random.bytes(workload.prefixTokens * BYTES_PER_TOKEN),
  );
  for (;;) {
    const afterMs = random.interval(1000 / workload.requestsPerSecond);
    const prefix = random.below(workload.prefixes);
    const document = documents[prefix] ?? new Uint8Array();
    const question = random.bytes(workload.questionTokens * BYTES_PER_TOKEN);
    yield { afterMs, prefix, prompt: Buffer.concat([document, question]) };
  }
}
