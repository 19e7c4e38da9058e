import type { UsageRecord } from "../core/usage-record.ts";

/** Upper bounds of the histograms' buckets, in seconds. */
export const BOUNDS_SECONDS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];

/** Values counted by the bucket they fall into; the last count is of those above every bound. */
export class Distribution {
  readonly counts: number[] = BOUNDS_SECONDS.map(() => 0).concat(0);
  sum = 0;

  add(seconds: number): void {
    this.sum += seconds;
    let at = 0;
    while (at < BOUNDS_SECONDS.length && seconds > (BOUNDS_SECONDS[at] ?? 0)) at += 1;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
  }

  merge(other: Distribution): void {
    this.sum += other.sum;
    for (const [at, count] of other.counts.entries()) this.counts[at] = (this.counts[at] ?? 0) + count;
  }
}

/** What the requests of one kind came to. */
export class Tally {
  readonly model: string;
  readonly protocol: string;
  readonly outcome: string;
  readonly error: string;
  readonly status: number;
  requests = 0;
  promptTokens = 0;
  cachedTokens = 0;
  completionTokens = 0;
  readonly latency = new Distribution();
  readonly firstToken = new Distribution();
  readonly queueWait = new Distribution();

  constructor({ servedModel, protocol, outcome, errorKind }: UsageRecord, status: number) {
    this.model = servedModel;
    this.protocol = protocol;
    this.outcome = outcome;
    this.error = errorKind;
    this.status = status;
  }

  fits({ servedModel, protocol, outcome, errorKind }: UsageRecord, status: number): boolean {
    return (
      this.model === servedModel &&
      this.protocol === protocol &&
      this.outcome === outcome &&
      this.error === errorKind &&
      this.status === status
    );
  }

  add(record: UsageRecord): void {
    this.requests += 1;
    this.promptTokens += record.promptTokens;
    this.cachedTokens += record.cachedTokens;
    this.completionTokens += record.completionTokens;
    if (record.outcome !== "ok") return;
    this.latency.add(record.latencyMs / 1000);
    this.queueWait.add(record.queueMs / 1000);
    if (record.ttftMs !== null) this.firstToken.add(record.ttftMs / 1000);
  }
}

/**
 * Adds requests up by their kind. Looking up a metric by its labels for each of them costs several microseconds; here the
 * labels are compared once, and the metrics are made of the sums when somebody scrapes.
 */
export class Tallies {
  readonly #byKind = new Map<string, Tally>();
  #last: Tally | null = null;

  add(record: UsageRecord, status: number): void {
    if (this.#last?.fits(record, status) !== true) this.#last = this.#find(record, status);
    this.#last.add(record);
  }

  all(): Iterable<Tally> {
    return this.#byKind.values();
  }

  #find(record: UsageRecord, status: number): Tally {
    const { servedModel, protocol, outcome, errorKind } = record;
    const key = [servedModel, protocol, outcome, errorKind, status].join("\0");
    let tally = this.#byKind.get(key);
    if (tally === undefined) this.#byKind.set(key, (tally = new Tally(record, status)));
    return tally;
  }
}
