import type { NodeRefusal } from "./node-protocol.ts";

const JOIN_ANEW = "flock join   # with a new token: flock token create --node at the leader";

export function unknownNode(node: string): NodeRefusal {
  return { code: "unknown_node", message: `this leader has no record of node ${node}`, mend: JOIN_ANEW };
}

export function unknownState(node: string): NodeRefusal {
  const message = `this leader was not told the state that a heartbeat of node ${node} refers to`;
  return { code: "state_unknown", message, mend: "flock node ls   # the node tells all with its next heartbeat" };
}

export function revokedNode(node: string): NodeRefusal {
  return { code: "revoked", message: `node ${node} was removed from the cluster`, mend: JOIN_ANEW };
}
