import type { EngineStatus } from "../../core/node.ts";
import type { Principal } from "../../core/principal.ts";
import type { Result } from "../../core/result.ts";
import type { AdminFailure, JobView } from "./deps.ts";

export interface EngineView {
  readonly node: string;
  readonly nodeName: string;
  /** The node is not heard of: what it told last is not what is. */
  readonly lost: boolean;
  /** Its secret is not sent on. */
  readonly engine: EngineStatus;
}

export interface EngineLogView {
  /** Oldest first. */
  readonly lines: readonly string[];
  /** Where the next piece begins; null: there is no log on that node. */
  readonly next: string | null;
}

/** A program that Flock installed on a node. */
export interface EngineVersionView {
  readonly node: string;
  readonly engine: "llamacpp";
  /** The release's tag. */
  readonly version: string;
  readonly variant: string;
  readonly bytes: number;
  /** The one that engines are started with. */
  readonly pinned: boolean;
}

export interface EngineInstall {
  /** Null: the leader's own. */
  readonly node: string | null;
  /** Null: the newest release. */
  readonly version: string | null;
  /** Null: what the node's GPU and driver ask for. */
  readonly variant: string | null;
  /** Of the archive, where the release itself tells none. */
  readonly sha256: string | null;
}

export type EngineAction = "start" | "stop" | "restart";

/** Engines of all nodes. Mutations write their audit row. */
export interface AdminEngines {
  list(): readonly EngineView[];
  logs(
    node: string,
    engine: string,
    piece: { readonly lines: number; readonly after?: string },
  ): Promise<Result<EngineLogView, AdminFailure>>;
  act(node: string, engine: string, action: EngineAction, actor: Principal): Promise<Result<EngineView, AdminFailure>>;
}

/** Programs of engines that Flock installs. */
export interface AdminEngineVersions {
  list(): Promise<Result<readonly EngineVersionView[], AdminFailure>>;
  /** A job, which downloads, checks and unpacks. */
  install(wish: EngineInstall, actor: Principal): Promise<Result<JobView, AdminFailure>>;
  /** Pins one of the installed versions; engines take it at their next start. */
  use(node: string | null, version: string, actor: Principal): Promise<Result<EngineVersionView, AdminFailure>>;
}
