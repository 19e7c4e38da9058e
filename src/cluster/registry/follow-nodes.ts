import type { LinkKind, LinkTable } from "../link.ts";
import { onlyThere } from "./drain-node.ts";
import type { NodeChange } from "./node-changes.ts";
import type { NodeRegistry } from "./node-registry.ts";

export interface FollowNodesParts {
  readonly registry: NodeRegistry;
  readonly link: LinkTable & { kindOf(node: string): LinkKind | null };
}

/** Does what another leader's change of a node means here: the same as if it had been asked for at this one. */
export function followNodes({ registry, link }: FollowNodesParts): (change: NodeChange) => void {
  return ({ kind, node }) => {
    const { id, drainedAt } = node;
    switch (kind) {
      case "joined":
        if (node.keys !== null) link.put({ node: id, keys: node.keys, addresses: node.addresses });
        return registry.admit(node, link.kindOf(id));
      case "left":
      case "removed":
        registry.remove(id);
        return link.remove(id);
      case "drained":
        if (registry.get(id)?.standing !== "drained")
          registry.startDrain(id, new Set(onlyThere(registry, id)), drainedAt ?? 0);
        return;
      case "undrained":
        return registry.undrain(id);
    }
  };
}
