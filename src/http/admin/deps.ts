import type { Clock } from "../../core/clock.ts";
import type { Failure } from "../../core/failure.ts";
import type { Inventory, ProcessState } from "../../core/node.ts";
import type { KeyLimits, Principal, Priority, Scope } from "../../core/principal.ts";
import type { Replica } from "../../core/replica.ts";
import type { Result } from "../../core/result.ts";
import type { UsageRecord } from "../../core/usage-record.ts";
import type { CatalogEntry } from "../../catalog/entry.ts";
import type { AdminNodes } from "./node-view.ts";
import type { AdminAdapters } from "./adapter-deps.ts";
import type { AdminEngines, AdminEngineVersions, EngineView } from "./engine-deps.ts";

/** What an operator can run into besides a client's failures. Texts reach the operator: no secrets. */
export type AdminFailure =
  | Failure
  /** `what` names the thing, e.g. `key key_abc`. */
  | { readonly kind: "not_found"; readonly what: string; readonly mend?: string }
  /** The thing is there, but not in a state that allows this. */
  | { readonly kind: "conflict"; readonly message: string; readonly mend?: string }
  /** The database is away or refuses; requests to models go on meanwhile. */
  | { readonly kind: "store_unavailable"; readonly message: string; readonly mend: string };

/** An API key as an operator sees it: neither the secret nor its hash. */
export interface KeyView {
  readonly id: string;
  readonly name: string;
  /** The first characters of the secret, enough to tell keys apart. */
  readonly prefix: string;
  readonly scope: Scope;
  /** The owner's name. */
  readonly userName: string;
  readonly limits: KeyLimits;
  readonly models: readonly string[];
  readonly localOnly: boolean;
  readonly priority: Priority;
  /** Tokens of the current UTC day, prompt and answer. */
  readonly usedToday: number;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
}

export interface NewKey {
  /** Absent: the operator gave none, and one is made up. */
  readonly name?: string;
  readonly scope: Scope;
  readonly limits: KeyLimits;
  readonly models: readonly string[];
  readonly expiresAt: number | null;
  readonly localOnly: boolean;
  readonly priority: Priority;
}

/** What is not given stays as it is. */
export interface KeyChanges {
  readonly limits?: Partial<KeyLimits>;
  readonly models?: readonly string[];
  readonly expiresAt?: number | null;
  readonly localOnly?: boolean;
  readonly priority?: Priority;
}

export interface AliasView {
  readonly name: string;
  readonly model: string;
  /** The one key that it is for; null: everybody. */
  readonly keyId: string | null;
  readonly keyName: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Which model `auto` gets. */
export interface DefaultModelView {
  /** What serves now; null: nothing. */
  readonly model: string | null;
  /** As somebody wrote it; "": nobody did, and Flock picked one. */
  readonly wanted: string;
  /** `default`, `file`, `store`, `env`, `flag`. */
  readonly origin: string;
  readonly detail: string;
}

/** A request with the names that people know; "" where the user or key is not kept (`anonymous`). */
export interface UsageView extends UsageRecord {
  readonly userName: string;
  readonly keyName: string;
}

export interface AuditEntry {
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  /** JSON values without secrets; null where there was nothing. */
  readonly before: unknown;
  readonly after: unknown;
}

export interface ConfigSetting {
  readonly key: string;
  readonly value: unknown;
  /** `default`, `file`, `env`, `flag`, … */
  readonly origin: string;
  /** Where exactly: the file and line, the variable's or the flag's name; "" for a default. */
  readonly detail: string;
  /** False: accepted, but nothing uses it yet. */
  readonly effective: boolean;
  /** The admin API never sends the value of a secret setting, whatever `value` holds. */
  readonly secret: boolean;
}

export interface ConfigReport {
  readonly path: string;
  readonly settings: readonly ConfigSetting[];
  readonly warnings: readonly string[];
}

/** Something the operator should know, with the command that mends it. */
export interface Hint {
  readonly message: string;
  readonly command: string;
}

export interface StatusReport {
  readonly version: string;
  readonly role: "leader" | "worker";
  /** The base URL that clients use. */
  readonly url: string;
  readonly startedAt: number;
  readonly pid: number;
  readonly dataDir: string;
  readonly defaultModel: string | null;
  /** True while the default model is the bundled smoke-test one. */
  readonly smokeTest: boolean;
  /** Of all nodes. Secrets in here are not sent on. */
  readonly engines: readonly EngineView[];
  readonly models: readonly { readonly replica: Replica; readonly nodeName: string; readonly busy: number }[];
  readonly nodes: readonly {
    readonly id: string;
    readonly name: string;
    readonly state: "joining" | "ready" | "draining" | "drained" | "lost";
    readonly inventory: Inventory;
  }[];
  readonly requestsInFlight: number;
  readonly store: { readonly type: string; readonly ok: boolean };
  readonly journal: { readonly ok: boolean; readonly pending: number };
  readonly hints: readonly Hint[];
}

export interface ModelView {
  readonly replica: Replica;
  readonly nodeName: string;
  /** Of the engine that serves it. */
  readonly state: ProcessState;
  readonly isDefault: boolean;
}

export interface CatalogReport {
  /** Null: no catalogue was found. */
  readonly directory: string | null;
  readonly entries: readonly CatalogEntry[];
  readonly problems: readonly { readonly file: string; readonly line: number | null; readonly message: string }[];
}

export type JobState = "queued" | "running" | "succeeded" | "failed" | "cancelled";

export interface JobProgress {
  readonly done: number;
  /** Null: not known. */
  readonly total: number | null;
  readonly message: string;
}

export interface JobView {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  readonly actor: string;
  readonly attempt: number;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly progress: JobProgress | null;
  /** One line, only when `failed`. */
  readonly error: string | null;
}

export interface JobEvent {
  /** Grows within a job; gaps are allowed (old events are thrown away). */
  readonly seq: number;
  readonly at: number;
  readonly state: JobState;
  readonly progress: JobProgress | null;
}

export interface AdminJobs {
  /** Newest first. */
  list(limit: number): Promise<readonly JobView[]>;
  get(id: string): Promise<JobView | null>;
  /** Asks the job to stop; gives it as it is then. A job at its end is a `conflict`. */
  cancel(id: string, actor: Principal): Promise<Result<JobView, AdminFailure>>;
  enqueue(kind: string, input: unknown, actor: Principal): Promise<Result<JobView, AdminFailure>>;
  /**
   * Events with `seq` above `afterSeq`: the kept ones, then live ones. Ends after the event of the job's end state, or
   * when `signal` aborts; it may then end or throw.
   */
  events(id: string, afterSeq: number, signal: AbortSignal): AsyncIterable<JobEvent>;
}

/** A request that somebody wonders about. */
export interface RouteQuery {
  readonly name: string;
  /** Id or name of the key that would send it. */
  readonly key: string | null;
  readonly session: string;
  readonly promptTokens: number;
  readonly tools: boolean;
  readonly images: boolean;
}

/** What would become of it now. */
export interface RouteView {
  readonly name: string;
  readonly model: string;
  readonly how: string;
  readonly waiting: number;
  readonly fallbacks: readonly string[];
  readonly replicas: readonly {
    readonly replica: Replica;
    readonly inFlight: number;
    readonly outstandingTokens: number;
    readonly taken: boolean;
    readonly reason: string;
  }[];
}

/**
 * All that the admin API needs. Mutations write their audit row themselves, in the transaction of the change; `actor`
 * is who asked. What a method cannot do is its failure; throwing is for bugs.
 */
export interface AdminDeps {
  readonly clock: Clock;
  newRequestId(): string;
  /** Called for a throw: the client sees the id only, so the cause must be logged under it. */
  reportBug(requestId: string, cause: unknown): void;
  /** What a throw means for the operator when it is no bug; null: it is one. */
  explain(cause: unknown): AdminFailure | null;
  /** `secret` is null when the request carries no key: that is a failure unless keys are switched off. */
  authenticate(secret: string | null): Result<Principal, Failure>;
  readonly version: string;
  /** The configured `external_url`, or "". A page loaded from there may send mutations through a proxy. */
  readonly externalUrl: string;
  readonly tokens: {
    list(): Promise<readonly KeyView[]>;
    /** `secret` is the plaintext, which exists nowhere else afterwards. */
    create(input: NewKey, actor: Principal): Promise<Result<{ secret: string; key: KeyView }, AdminFailure>>;
    /** By id or name. For requests that come from now on. */
    edit(id: string, changes: KeyChanges, actor: Principal): Promise<Result<KeyView, AdminFailure>>;
    revoke(id: string, actor: Principal): Promise<Result<KeyView, AdminFailure>>;
  };
  readonly aliases: {
    list(): Promise<readonly AliasView[]>;
    /** `key` is a key's id or name; null: for everybody. */
    set(
      input: { readonly name: string; readonly model: string; readonly key: string | null },
      actor: Principal,
    ): Promise<Result<AliasView, AdminFailure>>;
    remove(name: string, key: string | null, actor: Principal): Promise<Result<AliasView, AdminFailure>>;
  };
  readonly defaultModel: {
    show(): Promise<DefaultModelView>;
    /** Null takes back what was set at run time. */
    set(model: string | null, actor: Principal): Promise<Result<DefaultModelView, AdminFailure>>;
  };
  readonly usage: {
    /** Newest first. `user` is a user's name or id. */
    recent(query: { limit: number; user?: string }): Promise<readonly UsageView[]>;
  };
  readonly audit: {
    /** Newest first. */
    recent(query: { limit: number; actor?: string }): Promise<readonly AuditEntry[]>;
  };
  /** Nothing changes by asking. */
  explainRoute(query: RouteQuery): Promise<Result<RouteView, AdminFailure>>;
  config(): ConfigReport;
  status(): Promise<StatusReport>;
  models(): Promise<readonly ModelView[]>;
  /** What could be installed, as the files are now. */
  catalog(): Promise<CatalogReport>;
  readonly jobs: AdminJobs;
  readonly nodes: AdminNodes;
  readonly adapters: AdminAdapters;
  readonly engines: AdminEngines;
  readonly engineVersions: AdminEngineVersions;
}
