import type { Replica } from "../core/replica.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import type { ReplicaLoad } from "./replica-load.ts";
import type { Lease } from "./router-port.ts";

/** A token of an answer takes longer than one of a prompt: engines work a prompt off many tokens at a time. */
export const OUTPUT_WEIGHT = 4;

export interface LeaseTerms {
  readonly load: ReplicaLoad;
  readonly keyId: string;
  readonly batch: boolean;
  readonly reason: string;
  readonly queueMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly startedMs: number;
}

export class SlotLease implements Lease {
  readonly #terms: LeaseTerms;
  readonly #over: (lease: SlotLease, usage: TokenUsage | null) => void;
  #promptLeft: number;
  #ended = false;

  constructor(terms: LeaseTerms, over: (lease: SlotLease, usage: TokenUsage | null) => void) {
    this.#terms = terms;
    this.#over = over;
    this.#promptLeft = terms.promptTokens;
    terms.load.begin(terms.keyId, this.costTokens);
  }

  get replica(): Replica {
    return this.#terms.load.replica;
  }

  get reason(): string {
    return this.#terms.reason;
  }

  get queueMs(): number {
    return this.#terms.queueMs;
  }

  get startedMs(): number {
    return this.#terms.startedMs;
  }

  /** What it was expected to cost when it began. */
  get costTokens(): number {
    return this.#terms.promptTokens + this.#terms.outputTokens * OUTPUT_WEIGHT;
  }

  prefilled(): void {
    if (this.#ended || this.#promptLeft === 0) return;
    this.#terms.load.done(this.#promptLeft);
    this.#promptLeft = 0;
  }

  end(usage: TokenUsage | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#terms.load.end(this.#terms.keyId, this.#promptLeft + this.#terms.outputTokens * OUTPUT_WEIGHT);
    this.#over(this, usage);
  }
}
