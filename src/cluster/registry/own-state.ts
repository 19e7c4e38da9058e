import type { NodeState } from "../../core/node.ts";

/**
 * What a node says, held to speak of itself only: a node that names another in its replicas would draw that one's
 * requests. Endpoints and secrets of its engines are its own business and stay there; the link finds engines by id.
 */
export function ownState(node: string, told: NodeState): NodeState {
  return {
    ...told,
    node,
    engines: told.engines.map((engine) => ({ ...engine, secret: "" })),
    replicas: told.replicas.map((replica) => ({
      ...replica,
      node,
      id: `${node}/${replica.engineId}/${replica.model}`,
    })),
  };
}
