export type Outcome = "ok" | "error" | "cancelled";

/**
 * One request, as it is kept. Times in ms, prices in millionths of a US dollar. One row of `usage`. The request id makes
 * importing it twice harmless.
 */
export interface UsageRecord {
  readonly requestId: string;
  /** Epoch ms at which the request arrived. */
  readonly at: number;
  readonly userId: string;
  readonly keyId: string;
  /** The API that was spoken: `openai`, `anthropic`, … */
  readonly protocol: string;
  /** `/v1/chat/completions`, … */
  readonly endpoint: string;
  readonly requestedModel: string;
  /** Empty when no replica was chosen. */
  readonly servedModel: string;
  readonly node: string;
  readonly engine: string;
  readonly replica: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly latencyMs: number;
  /** Null: nothing was generated. */
  readonly ttftMs: number | null;
  readonly queueMs: number;
  readonly attempts: number;
  readonly routeReason: string;
  readonly priceMicros: number;
  readonly outcome: Outcome;
  /** A `FailureKind`, or "" when the outcome is ok. */
  readonly errorKind: string;
}

/** What requests of one kind have in common. It is written once for many of them, in the journal and in the store. */
export const GROUP_FIELDS = [
  "userId",
  "keyId",
  "protocol",
  "endpoint",
  "requestedModel",
  "servedModel",
  "node",
  "engine",
  "replica",
  "outcome",
  "errorKind",
] as const;

export type UsageGroup = Readonly<Pick<UsageRecord, (typeof GROUP_FIELDS)[number]>>;

/** The rest of a request, in whole numbers: what its row of the store has beside the group. */
export type UsageRow = readonly [
  requestId: string,
  at: number,
  promptTokens: number,
  completionTokens: number,
  cachedTokens: number,
  latencyMs: number,
  ttftMs: number | null,
  queueMs: number,
  attempts: number,
  priceMicros: number,
  routeReason: string,
];

/** Requests of one group that were written down together. */
export interface UsageRun {
  readonly group: UsageGroup;
  readonly rows: readonly UsageRow[];
}

/** Texts are cut at this length: names come from clients, and go into indexes. */
export const MAX_TEXT = 200;

function short(text: string): string {
  return text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text;
}

export function groupOf(record: UsageGroup): UsageGroup {
  return {
    userId: short(record.userId),
    keyId: short(record.keyId),
    protocol: short(record.protocol),
    endpoint: short(record.endpoint),
    requestedModel: short(record.requestedModel),
    servedModel: short(record.servedModel),
    node: short(record.node),
    engine: short(record.engine),
    replica: short(record.replica),
    outcome: record.outcome,
    errorKind: short(record.errorKind),
  };
}

/** Far above any real count or time, and low enough that sums of millions of them fit a `bigint`. */
export const MAX_COUNT = 2 ** 42;

/** Engines say what they like, `1e999` too: what comes out is a whole number that every database takes. */
function whole(value: number): number {
  return value > 0 ? Math.min(Math.round(value), MAX_COUNT) : 0;
}

export function rowOf(record: UsageRecord): UsageRow {
  return [
    record.requestId,
    whole(Math.floor(record.at)),
    whole(record.promptTokens),
    whole(record.completionTokens),
    whole(record.cachedTokens),
    whole(record.latencyMs),
    record.ttftMs === null ? null : whole(record.ttftMs),
    whole(record.queueMs),
    whole(record.attempts),
    whole(record.priceMicros),
    short(record.routeReason),
  ];
}
