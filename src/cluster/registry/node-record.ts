import type { StoredNode } from "../../store/nodes.ts";

/** As it is kept once it was removed: to be refused. */
export function buried(node: StoredNode, removedAt: number): StoredNode {
  return { ...node, name: node.id, machine: "", removedAt };
}

/** One that nothing is known of yet. */
export function blankNode(id: string, now: number): StoredNode {
  return {
    id,
    name: id,
    role: "worker",
    addresses: [],
    keys: null,
    keysAt: now,
    nextKeys: null,
    machine: "",
    assign: true,
    leader: "",
    version: "",
    inventory: null,
    joinedAt: now,
    lastSeenAt: null,
    drainedAt: null,
    removedAt: null,
  };
}

/** For the audit log: no keys. */
export function outward({ name, role, addresses, version, assign, drainedAt }: StoredNode): object {
  return { name, role, addresses, version, assign, drained: drainedAt !== null };
}
