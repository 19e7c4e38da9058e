import type { NodeRefusal } from "./node-protocol.ts";

const JOIN_ANEW = "flock join   # with a new token: flock token create --node at the leader";

export function unknownNode(node: string): NodeRefusal {
  return { code: "unknown_node", message: `this leader has no record of node ${node}`, mend: JOIN_ANEW };
}

export function revokedNode(node: string): NodeRefusal {
  return { code: "revoked", message: `node ${node} was removed from the cluster`, mend: JOIN_ANEW };
}
