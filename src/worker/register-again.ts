import type { NodeCredential } from "../cluster/node-credential.ts";
import type { LeaderCalls } from "../cluster/node-endpoint.ts";
import { NODE_PATHS, NODE_PROTOCOL, registerAnswer, type RegisterAgainRequest } from "../cluster/node-protocol.ts";
import type { RegisteredAgain } from "./heartbeat-loop.ts";

export interface RegisterAgainParts {
  readonly calls: Pick<LeaderCalls, "call">;
  readonly credential: () => NodeCredential;
  /** What the leader is told of this machine; null: not known yet. */
  readonly about: () => Pick<RegisterAgainRequest, "machine" | "version" | "addresses" | "inventory"> | null;
  /** The leader knows this node by this key, and gave a new proof of it. */
  readonly registered: (linkKey: string, proof: string) => void;
}

/** Shows the leader, which has no record of this node, that it registered it once. The call is signed as all others are. */
export async function registerAgain(parts: RegisterAgainParts, signal: AbortSignal): Promise<RegisteredAgain> {
  const credential = parts.credential();
  const about = parts.about();
  if (credential.proof === null) return "unable";
  if (about === null) return "later";
  const { keys, proof } = credential;
  const wish: RegisterAgainRequest = { protocol: NODE_PROTOCOL, proof, keys, ...about };
  const asked = await parts.calls.call("POST", NODE_PATHS.registerAgain, wish, signal);
  if (!asked.ok) {
    if (asked.error.kind === "unreachable") return "later";
    const { code, message, mend } = asked.error;
    if (NOT_NOW.has(code)) return "later";
    return UNABLE.has(code) ? "unable" : { message, mend, removed: code === "revoked" };
  }
  const answer = registerAnswer.safeParse(asked.value).data;
  // Whatever that was: the next beat tells whether the leader knows this node.
  if (answer === undefined) return "later";
  parts.registered(keys.linkKey, answer.proof);
  return "again";
}

/** The leader is just starting, handing over or in trouble; a wrong clock gets right again. */
const NOT_NOW: ReadonlySet<string> = new Set(["unavailable", "clock_skew", "audience", "unknown"]);
/** A leader of the version before takes the call for a command, which a node that it does not know may not give. */
const UNABLE: ReadonlySet<string> = new Set(["unknown_node", "not_found", "protocol"]);
