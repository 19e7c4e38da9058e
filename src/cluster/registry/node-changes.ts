import type { StoredNode } from "../../store/nodes.ts";

/** What another leader did to a node. `left`: it beats to that one now. */
export interface NodeChange {
  readonly kind: "joined" | "left" | "removed" | "drained" | "undrained";
  readonly node: StoredNode;
  /** Of a node that takes requests again: since when it did not; else null. */
  readonly drainedSince: number | null;
}

/**
 * What this leader should hold of a node, given what it holds (`before`) and the row as it is now. Of its own nodes it knows
 * best where they are and what their keys are; who takes them out or drains them may be anybody.
 */
export function takeOver(
  before: StoredNode | undefined,
  row: StoredNode,
  isOwn: (node: StoredNode) => boolean,
): { readonly node: StoredNode; readonly change: NodeChange | null } {
  const was = before !== undefined && before.removedAt === null && isOwn(before);
  const is = row.removedAt === null && isOwn(row);
  const changed = (kind: NodeChange["kind"], node: StoredNode) => ({
    node,
    change: { kind, node, drainedSince: kind === "undrained" ? (before?.drainedAt ?? null) : null },
  });
  if (!was) return is && row.role === "worker" ? changed("joined", row) : { node: row, change: null };
  if (row.removedAt !== null) return changed("removed", row);
  if (!is) return changed("left", row);
  const node = { ...before, name: row.name, assign: row.assign, drainedAt: row.drainedAt };
  if ((before.drainedAt === null) === (row.drainedAt === null)) return { node, change: null };
  return changed(row.drainedAt === null ? "undrained" : "drained", node);
}
