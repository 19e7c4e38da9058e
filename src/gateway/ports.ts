import type { CancelSignal } from "../core/cancellation.ts";
import type { EngineWire } from "../engine/driver.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import type { LimitStandings } from "../core/limit-standing.ts";
import type { Principal } from "../core/principal.ts";
import type { Replica } from "../core/replica.ts";
import type { Result } from "../core/result.ts";
import type { RouteAsk } from "../core/route-ask.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import type { UsageRecord } from "../core/usage-record.ts";

/** What the gateway needs from the rest of Flock. `compose/leader/leader.ts` joins; each step of a request's life is one of these. */

/** Step 1. About a microsecond; never does I/O. */
export interface Authenticator {
  /** `sender`: an object that comes with the same secret each time, so that this one need not be hashed again. */
  find(secret: string, sender?: object): Result<Principal, Failure>;
}

/** What a request needs of a model, so that `auto` and the ability check can decide. */
export interface Need {
  readonly chat: boolean;
  readonly embeddings: boolean;
  readonly rerank?: boolean;
}

export interface Resolved {
  /** The id that replicas carry. */
  readonly model: string;
  /** `exact`, `alias`, `auto`, `claude-family`, …: stands in `x-flock-route` and the usage record. */
  readonly reason: string;
  /** The most that prompt and answer can have together; absent while no replica is live. */
  readonly contextTokens?: number;
  /** Who would serve it, when that is outside the building; absent: a machine of ours. */
  readonly vendor?: string;
}

/** Step 3. */
export interface ModelResolver {
  /** `keyId`: whose aliases count. */
  resolve(name: string, need: Need, keyId: string, wants?: Wants): Result<Resolved, Failure>;
}

/** What a request asks of whichever model it gets; read only where the name leaves the choice to Flock. */
export interface Wants {
  tools(): boolean;
  images(): boolean;
  promptTokens(): number;
}

export interface AdmissionRequest {
  readonly principal: Principal;
  readonly model: string;
  /**
   * What the prompt weighs: for a key with a daily quota never less than it will be (its bytes, or the engine's own
   * count), for others a rough guess. The engine's count replaces it at the end.
   */
  readonly promptTokensEstimate: number;
  /** The client's own limit on the answer; null: none given. */
  readonly maxOutputTokens: number | null;
  /** Grant the whole answer of `maxOutputTokens` now, or refuse: it comes in one piece and cannot be ended in time. */
  readonly allAtOnce?: boolean;
}

/** What a policy lent to one request. */
export interface Grant {
  /** May the answer grow to this many output tokens? False: end it with `length` now. A promise when it must be asked. */
  extend(outputTokens: number): boolean | Promise<boolean>;
  /** How many output tokens are granted so far; absent: however many. */
  granted?(): number;
  /** Below so many output tokens `extend` grants without doing anything; absent: it must hear of each. */
  readonly idleUntil?: number;
  /** Exactly once, with what was really used. */
  release(usedTokens: number): void;
}

export type Admission = Result<Grant | null, Failure>;

/** Step 4: a list of these, asked in order; the first refusal releases what was granted before it. */
export interface AdmissionPolicy {
  readonly name: string;
  admit(request: AdmissionRequest): Admission | Promise<Admission>;
}

/** How a key stands with its limits, for the headers of its answers. No I/O. */
export interface LimitReport {
  of(principal: Principal): LimitStandings;
}

/** A slot of a replica, taken by one request. */
export interface Lease {
  /** The prompt is worked off: the first content came. */
  prefilled(): void;
  /** Gives the slot back, with what the engine counted; null: it did not get that far. Any number of calls. */
  end(usage: TokenUsage | null): void;
}

export interface Choice {
  readonly replica: Replica;
  readonly wire: EngineWire;
  readonly reason: string;
  readonly lease: Lease;
  /** How long the request waited for the slot. */
  readonly queueMs: number;
}

/** Step 5. */
export interface ReplicaPicker {
  /**
   * A slot: at once where one is free, else in turn, and after an engine that is starting is there; all within `signal`.
   * `tried` holds ids of replicas that failed this request. Whoever gets a slot gives it back, once the attempt is over.
   */
  pick(
    ask: RouteAsk,
    tried: ReadonlySet<string>,
    signal: CancelSignal,
  ): Result<Choice, Failure> | Promise<Result<Choice, Failure>>;
  /** A live replica without a slot of it, for questions that cost the engine next to nothing; null: there is none. */
  peek(model: string): Choice | null;
  /** The largest context that any live replica of the model has. */
  widest(model: string): number;
  /** For whoever watches over replicas: an attempt begins there; call the returned function when it is over. */
  begin(replica: Replica, attempt: Attempt): () => void;
  /** The first content of an attempt came. */
  answered(replica: Replica): void;
  /** An attempt failed. `gone`: nobody answered there, or not twice in a row. */
  failed(replica: Replica, failure: Failure, gone: boolean): void;
}

/** One request at one replica, as whoever watches over replicas sees it; only looked at about once a second. */
export interface Attempt {
  /** When the engine last sent something (`performance.now()`); the beginning, before it did. */
  readonly lastByteMs: number;
  /** False while the client is the one that is waited for. */
  readonly awaitsEngine: boolean;
  /** Tokens come as they are made; false: one piece at the end. */
  readonly streams: boolean;
  /** Content was seen: no other replica may take over. */
  readonly contentSeen: boolean;
  /** The replica is given up: this attempt ends now, with this failure, and may be made elsewhere. */
  lost(failure: Failure): void;
}

/** Step 5 where a model cannot answer, or too slowly: what is asked instead, and how often anything is tried again. */
export interface Detours {
  /** A request begins. */
  began(): void;
  /** May any request be tried once more? Asking uses it up. */
  mayRetry(): boolean;
  /** The next model of the chain that a live replica serves which fits; null: none. `asked`: models tried already. */
  next(model: string, asked: ReadonlySet<string>, asker: { fits(replica: Replica): boolean }): string | null;
  /** A model to ask in this one's place, because its answers take too long to begin; null: it will do. */
  quicker(model: string, asker: { fits(replica: Replica): boolean }): string | null;
  /** An answer of the model began this long after its request came. */
  took(model: string, ms: number): void;
}

/** Step 6's way to an engine, wherever it is. */
export interface EngineLink {
  /** Posts once, never twice. Any status is a success here; a failure means that nobody answered. */
  fetch(replica: Replica, path: string, init: EngineFetchInit): Promise<Result<EngineAnswer, Failure>>;
  /** Endpoint and start command, for the errors of an engine that answers but is not there for requests. */
  describe(replica: Replica): { readonly endpoint: string; readonly start: string };
}

export interface EngineFetchInit {
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** Absent: JSON. */
  readonly contentType?: string | undefined;
  /** Not on a connection that was used before: the engine may have closed it. */
  readonly fresh: boolean;
  readonly signal: CancelSignal;
}

/** Step 7. Resolves when the record survives the death of the process. */
export interface UsageSink {
  append(record: UsageRecord): Promise<void>;
}

export interface MetricsSink {
  requestStarted(): void;
  /** Once per request, also for refused ones. */
  requestEnded(record: UsageRecord, status: number): void;
  streamOpened(): void;
  streamClosed(): void;
}

export interface GatewayLog {
  warn(message: string, fields: Record<string, unknown>): void;
  error(message: string, fields: Record<string, unknown>): void;
  debug(message: string, fields: Record<string, unknown>): void;
}

export interface GatewayLimits {
  readonly maxBodyBytes: number;
  /** Longest pause between two pieces of an upload. */
  readonly uploadStallMs: number;
  /** From the request to the engine until its first sign of an answer. */
  readonly firstTokenMs: number;
  /** Longest silence of an engine that has begun to answer. */
  readonly stallMs: number;
  /** How long nothing is sent, so that an early failure keeps its real status. */
  readonly quietMs: number;
  /** The same while the request waits for a slot or a model that is loading. */
  readonly quietWaitingMs: number;
  /** How often a comment keeps a silent stream open. */
  readonly keepAliveMs: number;
  /** How long a request waits for an engine that is starting. */
  readonly replicaWaitMs: number;
  /** How long a request waits for a slot. */
  readonly queueWaitMs: number;
  /** How many wait for the slots of one model. */
  readonly queueLength: number;
  readonly attempts: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  maxBodyBytes: 64 * 1024 * 1024,
  uploadStallMs: 30_000,
  firstTokenMs: 600_000,
  stallMs: 120_000,
  quietMs: 10_000,
  quietWaitingMs: 1_000,
  keepAliveMs: 10_000,
  replicaWaitMs: 60_000,
  queueWaitMs: 300_000,
  queueLength: 256,
  attempts: 4,
};

export interface GatewayDeps {
  readonly keys: Authenticator;
  readonly models: ModelResolver;
  readonly policies: readonly AdmissionPolicy[];
  readonly standings: LimitReport;
  readonly replicas: ReplicaPicker;
  readonly detours: Detours;
  readonly link: EngineLink;
  readonly usage: UsageSink;
  readonly metrics: MetricsSink;
  readonly log: GatewayLog;
  readonly limits: GatewayLimits;
  /** Fills the record's `node` where no replica was chosen. */
  readonly node: string;
}
