import type { Failure } from "../core/failure.ts";
import type { Principal } from "../core/principal.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import type { Outcome, UsageRecord } from "../core/usage-record.ts";
import type { ScannedBody } from "../wire/scan-body.ts";
import type { HangUp } from "./hang-up.ts";
import type { QueuePlace } from "../core/route-ask.ts";
import type { Choice, Grant, LimitReport, MetricsSink, Need, Resolved, UsageSink } from "./ports.ts";

export interface AccountDeps {
  readonly usage: UsageSink;
  readonly metrics: MetricsSink;
  readonly node: string;
}

/**
 * The books of one request: collects what happens to it and writes it down exactly once. Whatever was granted is given
 * back at the same moment.
 */
export class Account {
  readonly requestId: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly startedMs = performance.now();
  principal: Principal | null = null;
  requestedModel = "";
  resolved: Resolved | null = null;
  /** What the request needs of a model. */
  need: Need | null = null;
  /** Why another model than the resolved one is asked; "" while it is not. */
  detour = "";
  choice: Choice | null = null;
  attempts = 0;
  /** What the engine said that it changed or left out of the request; "" for nothing. */
  adjusted = "";
  /** The same, said before any engine was asked. */
  adjustedBefore: readonly string[] = [];
  /** Runs once when the answer is whole. */
  onSuccess: (() => Promise<void>) | null = null;
  grants: Grant[] = [];
  /** Tells how the key stands with its limits; null: it has none. */
  standings: LimitReport | null = null;
  promptTokensEstimate = 0;
  /** The engine's count of the prompt, for a key whose tokens are limited and an answer that was cut off; null: no count. */
  countPrompt: (() => Promise<number | null>) | null = null;
  /** The client's own limit on the answer; null: none. */
  maxOutputTokens: number | null = null;
  /** What came in; null until the body is there. */
  body: ScannedBody | null = null;
  headers: Pick<Headers, "get"> | null = null;
  /** Where the request stands while it waits for a slot. */
  place: QueuePlace | null = null;
  /** Listened to at once when the request begins to wait. */
  hangUp: HangUp | null = null;
  queueMs = 0;
  /** Since when it waits, while `place` is there. */
  queuedAtMs = 0;
  firstContentMs: number | null = null;
  readonly #at = Date.now();
  readonly #deps: AccountDeps;
  #settled: Promise<void> | null = null;

  constructor(deps: AccountDeps, requestId: string, protocol: string, endpoint: string) {
    this.#deps = deps;
    this.requestId = requestId;
    this.protocol = protocol;
    this.endpoint = endpoint;
    deps.metrics.requestStarted();
  }

  get settled(): boolean {
    return this.#settled !== null;
  }

  chose(choice: Choice): void {
    this.choice = choice;
    this.attempts += 1;
    this.queueMs += choice.queueMs;
    this.place = null;
  }

  /** Something of the answer is not as the engine gave it; stands in `x-flock-adjusted` where the headers are not gone. */
  adjust(what: string): void {
    if (this.adjusted === "") this.adjusted = what;
    else if (!this.adjusted.endsWith(what)) this.adjusted += `; ${what}`;
  }

  /** What `x-flock-route` and the record say: how the name was understood, and why this replica. */
  get routeReason(): string {
    if (this.resolved === null) return "";
    const how = this.detour === "" ? this.resolved.reason : `${this.resolved.reason}; ${this.detour}`;
    return this.choice === null ? how : `${how}; ${this.choice.reason}`;
  }

  sawContent(): void {
    this.firstContentMs ??= performance.now();
    this.choice?.lease.prefilled();
  }

  /** How far the answer may go without asking. */
  get grantedTokens(): number {
    let least = Infinity;
    for (const grant of this.grants) least = Math.min(least, grant.granted?.() ?? Infinity);
    return least;
  }

  /** Below so many output tokens `extend` has nothing to do. */
  get idleUntil(): number {
    let least = Infinity;
    for (const grant of this.grants) least = Math.min(least, grant.idleUntil ?? 0);
    return least;
  }

  /** May the answer go on to `outputTokens`? */
  extend(outputTokens: number): boolean | Promise<boolean> {
    const { grants } = this;
    for (let at = 0; at < grants.length; at += 1) {
      const may = grants[at]?.extend(outputTokens) ?? true;
      if (may instanceof Promise) return this.#extendRest(may, at, outputTokens);
      if (!may) return false;
    }
    return true;
  }

  async #extendRest(pending: Promise<boolean>, at: number, outputTokens: number): Promise<boolean> {
    if (!(await pending)) return false;
    for (const grant of this.grants.slice(at + 1)) if (!(await grant.extend(outputTokens))) return false;
    return true;
  }

  succeed(usage: TokenUsage | null, outputTokens: number): Promise<void> {
    const { onSuccess } = this;
    this.onSuccess = null;
    const settle = (): Promise<void> => this.#settle("ok", "", 200, usage, outputTokens);
    return onSuccess === null ? settle() : onSuccess().then(settle);
  }

  fail(failure: Failure, status: number, usage: TokenUsage | null = null, outputTokens = 0): Promise<void> {
    const outcome: Outcome = failure.kind === "cancelled" ? "cancelled" : "error";
    return this.#settle(outcome, failure.kind, status, usage, outputTokens);
  }

  /** Resolves when the record is safe. A second call changes nothing and waits for the first. */
  #settle(
    outcome: Outcome,
    errorKind: string,
    status: number,
    usage: TokenUsage | null,
    outputTokens: number,
  ): Promise<void> {
    if (this.#settled) return this.#settled;
    const count = usage === null && outputTokens > 0 ? this.countPrompt : null;
    const write = (): Promise<void> => this.#write(outcome, errorKind, status, usage, outputTokens);
    this.#settled = count === null ? write() : this.#count(count).then(write);
    return this.#settled;
  }

  /** An answer that was cut off never brought its own count, and a guess would let a dense prompt go for a fraction. */
  async #count(count: () => Promise<number | null>): Promise<void> {
    const counted = await count().catch(() => null);
    if (counted !== null) this.promptTokensEstimate = counted;
  }

  #write(
    outcome: Outcome,
    errorKind: string,
    status: number,
    usage: TokenUsage | null,
    outputTokens: number,
  ): Promise<void> {
    const counted = usage ?? {
      // What was generated is counted by what came.
      promptTokens: outputTokens > 0 ? this.promptTokensEstimate : 0,
      completionTokens: outputTokens,
      cachedTokens: 0,
    };
    for (const grant of this.grants) grant.release(counted.promptTokens + counted.completionTokens);
    this.choice?.lease.end(usage);
    const replica = this.choice?.replica;
    const record: UsageRecord = {
      requestId: this.requestId,
      at: this.#at,
      userId: this.principal?.userId ?? "",
      keyId: this.principal?.keyId ?? "",
      protocol: this.protocol,
      endpoint: this.endpoint,
      requestedModel: this.requestedModel,
      servedModel: replica?.model ?? "",
      node: replica?.node ?? this.#deps.node,
      engine: replica?.engine ?? "",
      replica: replica?.id ?? "",
      promptTokens: counted.promptTokens,
      completionTokens: counted.completionTokens,
      cachedTokens: counted.cachedTokens,
      latencyMs: round(performance.now() - this.startedMs),
      ttftMs: this.firstContentMs === null ? null : round(this.firstContentMs - this.startedMs),
      // Also of one that went before it got a slot.
      queueMs: round(this.queueMs + (this.place === null ? 0 : performance.now() - this.queuedAtMs)),
      attempts: this.attempts,
      routeReason: this.routeReason,
      priceMicros: 0,
      outcome,
      errorKind,
    };
    this.#deps.metrics.requestEnded(record, status);
    // A stranger's request costs the log a line at most, never a row: rows belong to an owner.
    if (this.principal === null) return Promise.resolve();
    return this.#deps.usage.append(record);
  }
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
