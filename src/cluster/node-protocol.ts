import { z } from "zod";
import type { NodeState } from "../core/node.ts";
import { AUDIENCE_PATTERN } from "./audience.ts";
import { isNodeState } from "./node-state-line.ts";

/**
 * The protocol between leader and workers. A leader speaks it and the one before; a worker speaks it, and the older one
 * when its leader says so. Raise it with every change of a frame below, and keep the old frame as `…V<n>`.
 */
export const NODE_PROTOCOL = 4;
export const OLDEST_NODE_PROTOCOL = 3;

/** Paths of the leader's node port. Those under /admin/v1 carry the names that the specification gives them. */
export const NODE_PATHS = {
  /** GET, open to all: who answers here, its protocols and its clock. */
  hello: "/v1/hello",
  register: "/admin/v1/nodes/register",
  registerAgain: "/admin/v1/nodes/register-again",
  heartbeat: "/admin/v1/nodes/heartbeat",
  leave: "/admin/v1/nodes/leave",
  rotate: "/admin/v1/nodes/rotate",
} as const;

const address = z.string().min(3).max(300);
const proof = z.string().min(1).max(4_000);
const publicKeys = z.strictObject({
  linkKey: z.string().min(40).max(200),
  certificate: z.string().min(100).max(4_000),
});
const inventory = z.strictObject({
  hostname: z.string(),
  os: z.string(),
  arch: z.string(),
  cpuModel: z.string(),
  physicalCores: z.number(),
  logicalCores: z.number(),
  memoryBytes: z.number(),
  freeMemoryBytes: z.number(),
  gpus: z.array(
    z.strictObject({
      vendor: z.enum(["nvidia", "amd", "apple", "intel", "other"]),
      name: z.string(),
      memoryBytes: z.number().nullable(),
      driver: z.string().nullable(),
    }),
  ),
});

/** Answer of `hello`. Stays readable in every later protocol, so it is not strict. */
export const helloAnswer = z.object({
  /** The leader's id, or the worker's node id. */
  id: z.string(),
  protocol: z.number().int(),
  oldestProtocol: z.number().int(),
  version: z.string(),
  /** Epoch ms of the clock there. */
  at: z.number(),
  /** To whom calls to it are made out (`Audience`), since protocol 4. */
  audience: z.string().regex(AUDIENCE_PATTERN).optional(),
});

/** Body of `register`; the join token is its bearer. */
export const registerRequest = z.strictObject({
  protocol: z.number().int(),
  /** Stays the same over a reinstall: a second registration of it replaces the first. SHA-256, hex. */
  machine: z.string().regex(/^[0-9a-f]{64}$/),
  /** What a person calls it; the host's name at first. */
  name: z.string().min(1).max(64),
  version: z.string().max(64),
  keys: publicKeys,
  /** `host:port` of its own node port. */
  addresses: z.array(address).max(32),
  inventory,
  /** False: no model shall be put on it without being asked for (`--no-assign`). */
  assign: z.boolean(),
});
export type RegisterRequest = z.infer<typeof registerRequest>;

/** Answer of `register` and of `registerAgain`. */
export const registerAnswer = z.strictObject({
  /** The one that both speak from now on. */
  protocol: z.number().int(),
  node: z.string().min(1).max(64),
  leader: z.strictObject({ id: z.string(), keys: publicKeys, addresses: z.array(address) }),
  heartbeatMs: z.number().int().positive(),
  /** For the leader alone: that it knows this node, should its records be lost (`RegistrationProofs`). */
  proof,
});
export type RegisterAnswer = z.infer<typeof registerAnswer>;

/**
 * Body of `registerAgain`: of a node that the leader has no record of. Signed with the key that the proof
 * names, so that a proof by itself is good for nothing. Name and `assign` stand in the proof.
 */
export const registerAgainRequest = registerRequest
  .omit({ name: true, assign: true })
  .extend({ proof: z.string().max(4_000) });
export type RegisterAgainRequest = z.infer<typeof registerAgainRequest>;

const nodeState = z.custom<NodeState>((value) => isNodeState(value), "not a node's state");

/** Body of `heartbeat` in protocol 3, which was the same. */
export const heartbeatRequestV3 = z.strictObject({
  protocol: z.literal(3),
  /** Epoch ms of the worker's start: with a new one everything said before is void. */
  epoch: z.number().int(),
  sequence: z.number().int(),
  addresses: z.array(address).max(32),
  /** Engine secrets are blank: the worker adds them to calls by itself. */
  state: nodeState,
  version: z.string().max(64),
  /** What each replica is at, by the worker's own count: calls running, calls waiting for a slot. */
  load: z.array(z.strictObject({ replica: z.string(), running: z.number().int(), waiting: z.number().int() })),
  /** 0 to 1, where a tool tells it; null: not known. */
  utilisation: z.strictObject({ cpu: z.number().nullable(), gpu: z.number().nullable() }),
});

/** In place of a state that is what an earlier beat of the same `epoch` told, free memory aside. */
const unchangedState = z.strictObject({
  /** The `sequence` of that beat, which the leader has answered. */
  since: z.number().int().positive(),
  freeMemoryBytes: z.number(),
});
export type UnchangedState = z.infer<typeof unchangedState>;

/** Body of `heartbeat`. A leader that does not have what `since` refers to says `state_unknown`, and is told all. */
export const heartbeatRequest = heartbeatRequestV3.extend({
  protocol: z.literal(4),
  state: z.union([unchangedState, nodeState]),
});
export type HeartbeatRequest = z.infer<typeof heartbeatRequest>;

/** The same in protocol 3. */
export const heartbeatAnswer = z.strictObject({
  heartbeatMs: z.number().int().positive(),
  /** Where the leader is reached now. */
  addresses: z.array(address),
  /** True: no new requests come; what runs may end. */
  drained: z.boolean(),
  /** True: the credential is old, make a new one (`rotate`). */
  rotate: z.boolean(),
  /** Where clients reach the leader, for whoever asks a worker. */
  url: z.string().optional(),
});
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;

/** Body of `rotate`, signed with the keys that it replaces. Both work until the new ones were used. */
export const rotateRequest = z.strictObject({ keys: publicKeys });
export type RotateRequest = z.infer<typeof rotateRequest>;

/** Answer of `rotate`. */
export const rotateAnswer = z.object({ proof });

/** Why a call between nodes was refused. A worker acts on the code, a person on `mend`. */
export const REFUSAL_STATUS = {
  token_expired: 401,
  token_used: 401,
  token_foreign: 401,
  proof_expired: 401,
  /** It is no proof of this leader, or not the caller's, or not its newest. */
  proof_refused: 401,
  clock_skew: 401,
  /** The signature is missing, wrong or was seen before. */
  signature: 401,
  /** The call is the caller's, and made out to another process than the one that answers: it may be made out anew. */
  audience: 421,
  /** The credential was revoked: `flock node remove`. */
  revoked: 401,
  /** The leader has no record of this node: register again. */
  unknown_node: 404,
  protocol: 426,
  invalid: 400,
  not_found: 404,
  conflict: 409,
  /** A heartbeat refers to a state that this leader was not told: tell all. */
  state_unknown: 409,
  unavailable: 503,
} as const;
export type RefusalCode = keyof typeof REFUSAL_STATUS;

export interface NodeRefusal {
  readonly code: RefusalCode;
  readonly message: string;
  /** The command that helps. */
  readonly mend: string;
  /** With the code `audience`: who answers. */
  readonly audience?: string;
}

/** Body of every refusal. Codes of a later protocol are read as text. */
export const refusalBody = z.object({
  error: z.object({ code: z.string(), message: z.string(), mend: z.string() }),
});
