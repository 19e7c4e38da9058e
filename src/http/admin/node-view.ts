import type { MachineLoad } from "../../core/machine-load.ts";
import type { EngineStatus, Inventory } from "../../core/node.ts";
import type { Principal } from "../../core/principal.ts";
import type { Result } from "../../core/result.ts";
import type { AdminFailure, JobView, UsageView } from "./deps.ts";

/** A machine of the cluster, as an operator sees it. */
export interface NodeView {
  readonly id: string;
  /** Its host's name, or what it was called when it joined; unique. */
  readonly name: string;
  readonly role: "leader" | "worker";
  /** `elsewhere`: it beats to another leader on this database, which knows how it is. */
  readonly standing: "joining" | "ready" | "draining" | "drained" | "lost" | "elsewhere";
  /** Null: there is no way to it at the moment. */
  readonly link: "local" | "lan" | "tunnel" | null;
  /** `host:port` of its node port; empty: it dials out only. */
  readonly addresses: readonly string[];
  /** Changes when it comes back after it was lost. */
  readonly epoch: number;
  /** Of its Flock. */
  readonly version: string;
  readonly joinedAt: number;
  readonly lastSeenAt: number | null;
  readonly drainedAt: number | null;
  /** Null: it has never told. */
  readonly inventory: Inventory | null;
  /** Secrets in here are not sent on. */
  readonly engines: readonly EngineStatus[];
  readonly models: readonly {
    readonly id: string;
    readonly engine: string;
    readonly contextTokens: number;
    readonly slots: number;
    readonly busy: number;
    readonly smokeTest: boolean;
  }[];
  /** Shares of 1; null: not known. */
  readonly utilisation: { readonly cpu: number | null; readonly gpu: number | null };
  readonly problems: readonly string[];
}

export interface NodeDetail {
  readonly node: NodeView;
  /** What happened to it since the leader's start, and what its engines wrote last; oldest first. */
  readonly events: readonly { readonly at: number; readonly what: string }[];
  readonly logs: readonly { readonly engine: string; readonly lines: readonly string[] }[];
  /** Newest first. */
  readonly requests: readonly UsageView[];
  /** Asked for just now; null: the node does not tell. */
  readonly load: MachineLoad | null;
}

/** One machine may join with it, for a few minutes. */
export interface JoinTokenView {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: number;
  /** To be typed on the other machine. */
  readonly command: string;
  /** Where that machine will look for the leader. */
  readonly addresses: readonly string[];
}

/** Ids or names of nodes. */
export interface ModelMove {
  readonly model: string;
  readonly to: string;
  /** Absent: the one other node that serves it. */
  readonly from?: string;
}

export interface AdminNodes {
  invite(actor: Principal): Promise<Result<JoinTokenView, AdminFailure>>;
  list(): Promise<readonly NodeView[]>;
  show(id: string): Promise<Result<NodeDetail, AdminFailure>>;
  /** Answers when no new requests go there; the job tells of the rest. */
  drain(
    id: string,
    actor: Principal,
  ): Promise<Result<{ readonly node: NodeView; readonly job: JobView }, AdminFailure>>;
  /** The job ends when the model is served by the new node alone. */
  moveModel(move: ModelMove, actor: Principal): Promise<Result<JobView, AdminFailure>>;
  undrain(id: string, actor: Principal): Promise<Result<NodeView, AdminFailure>>;
  /** The node is refused from now on. */
  remove(id: string, actor: Principal): Promise<Result<NodeView, AdminFailure>>;
}
