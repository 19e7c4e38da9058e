import type { Result } from "../core/result.ts";
import type { NodeKeys } from "./node-credential.ts";
import type {
  HeartbeatAnswer,
  HeartbeatRequest,
  NodeRefusal,
  RegisterAgainRequest,
  RegisterRequest,
  RotateRequest,
} from "./node-protocol.ts";
import type { ProofSubject } from "./registration-proof.ts";

/** Where a call came from. */
export interface NodeCaller {
  readonly node: string;
  /** IP address as the leader sees it; null: over a tunnel. */
  readonly peer: string | null;
}

/** A node that is on record. The endpoint adds the leader's own part of the answer, and the proof of it. */
export interface Registered {
  readonly subject: ProofSubject;
  readonly heartbeatMs: number;
}

/**
 * What the leader does with calls of workers. The endpoint has checked join token or signature, protocol and schema
 * before it calls one of these; frames of an older protocol were brought to today's.
 */
export interface NodeHandlers {
  /**
   * Records a node whose join token was good (and is spent now), in place of an earlier one of the same `machine`.
   */
  register(
    request: RegisterRequest,
    from: { readonly peer: string | null; readonly token: string },
  ): Promise<Result<Registered, NodeRefusal>>;
  /** Records a node anew that has shown the leader's own proof of it and signed with the key that the proof names. */
  registerAgain(request: RegisterAgainRequest, proven: ProofSubject): Promise<Result<Registered, NodeRefusal>>;
  heartbeat(
    request: HeartbeatRequest,
    from: NodeCaller,
  ): Promise<Result<Omit<HeartbeatAnswer, "addresses">, NodeRefusal>>;
  /** The node goes for good: its record and credential go with it. */
  leave(from: NodeCaller): Promise<Result<void, NodeRefusal>>;
  /** Keeps the new keys beside the old ones; the first call signed with the new ones ends the old. */
  rotate(request: RotateRequest, from: NodeCaller): Promise<Result<ProofSubject, NodeRefusal>>;
  /** The first call signed with a node's next keys came: they are its keys from now on. */
  rotated(node: string): void;
  /** The node calls, but its clock or the leader's is wrong. */
  skewed(node: string, why: string): void;
  /** Everything else under /admin/v1: a command that was typed on a worker, or a model's file. The leader decides what a node may. */
  admin(request: Request, from: NodeCaller): Promise<Response>;
}

/** The credentials of all nodes that may call, in memory: asked for each call. */
export interface NodeDirectory {
  /** Null: no such node. `next`: keys of a rotation that were not used yet. `revoked`: it was removed. */
  keysOf(node: string): { readonly keys: NodeKeys; readonly next: NodeKeys | null; readonly revoked: boolean } | null;
}

/** A worker's signed calls to its leader, over whichever of the leader's addresses answers. */
export interface LeaderCalls {
  call(
    method: "GET" | "POST",
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Result<unknown, LeaderCallFailure>>;
  /** Any call, signed without reading the body's answer: for commands typed on the worker. */
  fetch(request: Request, signal: AbortSignal): Promise<Result<Response, LeaderCallFailure>>;
}

export type LeaderCallFailure =
  | { readonly kind: "unreachable"; readonly message: string; readonly tried: readonly string[] }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly code: string;
      readonly message: string;
      readonly mend: string;
    };
