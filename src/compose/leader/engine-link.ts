import type { Cluster } from "../cluster/cluster.ts";
import type { GatewayDeps } from "../../gateway/ports.ts";
import type { ReplicaBoard } from "../../routing/replica-board.ts";

const JSON_BODY = Object.freeze({ "content-type": "application/json" });

/** How the gateway reaches the engine of a replica, on whatever node it is. */
export function engineLink(link: Cluster["link"], board: ReplicaBoard): GatewayDeps["link"] {
  return {
    fetch: (replica, path, { body, fresh, signal, contentType }) =>
      link.fetch(
        replica.node,
        replica.engineId,
        {
          method: "POST",
          path,
          headers: contentType === undefined ? JSON_BODY : { "content-type": contentType },
          body,
          fresh,
        },
        signal,
      ),
    describe(replica) {
      const engine = board.engineOf(replica);
      return { endpoint: engine?.endpoint ?? "", start: engine?.start ?? "flock up" };
    },
  };
}
