import { asBuffer } from "../../core/as-buffer.ts";
import { AUDIENCE_HEADER } from "../audience.ts";
import { fingerprintOf } from "../certificate.ts";
import { isLinkKey } from "../link-key.ts";
import { NODE_PROTOCOL, type NodeRefusal, OLDEST_NODE_PROTOCOL, REFUSAL_STATUS } from "../node-protocol.ts";
import { protocolRefusal } from "./tunnel-server.ts";

export function refuse({ code, message, mend, audience }: NodeRefusal): Response {
  const headers = audience === undefined ? {} : { [AUDIENCE_HEADER]: audience };
  return Response.json({ error: { code, message, mend } }, { status: REFUSAL_STATUS[code], headers });
}

export function invalid(message: string): NodeRefusal {
  return { code: "invalid", message, mend: "flock update   # where leader and worker are of different versions" };
}

/** A frame of a protocol that nobody here speaks is that, and not a wrong one. */
export function unreadable(value: unknown, why: string): NodeRefusal {
  const protocol = typeof value === "object" && value !== null && "protocol" in value ? value.protocol : null;
  const known = typeof protocol !== "number" || (protocol >= OLDEST_NODE_PROTOCOL && protocol <= NODE_PROTOCOL);
  return known ? invalid(why) : protocolRefusal(protocol);
}

export function keyProblem(keys: { readonly linkKey: string; readonly certificate: string }): NodeRefusal | null {
  if (!isLinkKey(keys.linkKey)) return invalid("keys.linkKey is no X25519 key");
  try {
    fingerprintOf(keys.certificate);
    return null;
  } catch {
    return invalid("keys.certificate is no certificate");
  }
}

export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(asBuffer(body).toString("utf8"));
  } catch {
    return null;
  }
}
