import type { Inventory } from "../../core/node.ts";
import type { StoredNode } from "../../store/nodes.ts";
import type { LinkKind } from "../link.ts";
import { isInventory } from "../node-state-line.ts";
import type { NodeEntry } from "./node-entry.ts";
import type { PlacementNode } from "../../placement/place.ts";

/** What operators see of a node: what is kept of it, and what it told last. */
export function viewOf(
  stored: StoredNode,
  entry: NodeEntry | null,
  link: LinkKind | null,
  busy: (replicaId: string) => number,
  isOwn = true,
) {
  const state = entry?.state ?? null;
  return {
    id: stored.id,
    name: stored.name,
    role: stored.role,
    standing: entry?.standing ?? (isOwn ? ("lost" as const) : ("elsewhere" as const)),
    link,
    addresses: stored.addresses,
    epoch: entry?.epoch ?? 0,
    version: stored.version,
    joinedAt: stored.joinedAt,
    lastSeenAt: entry?.lastSeenAt ?? stored.lastSeenAt,
    drainedAt: stored.drainedAt,
    inventory: state?.inventory ?? inventoryOf(stored),
    engines: state?.engines ?? [],
    models: (state?.replicas ?? []).map((replica) => ({
      id: replica.model,
      engine: replica.engine,
      contextTokens: replica.contextTokens,
      slots: replica.slots,
      // A worker's own count lags by a heartbeat; this leader's own is of now.
      busy: Math.max(busy(replica.id), entry?.load.get(replica.id) ?? 0),
      smokeTest: replica.smokeTest,
    })),
    utilisation: entry?.utilisation ?? { cpu: null, gpu: null },
    problems: state?.problems ?? [],
  };
}

export function inventoryOf({ inventory }: StoredNode): Inventory | null {
  return isInventory(inventory) ? inventory : null;
}

/** A node as placement looks at it. */
export function placementNodeOf(
  stored: StoredNode,
  entry: NodeEntry,
  files: ReadonlySet<string>,
  busy: (replicaId: string) => number,
): PlacementNode {
  const { state } = entry;
  const replicas = state?.replicas ?? [];
  const slots = replicas.reduce((sum, replica) => sum + replica.slots, 0);
  const running = replicas.reduce((sum, replica) => sum + busy(replica.id), 0);
  const coming = (state?.engines ?? []).filter((engine) => engine.state !== "stopped").flatMap(({ models }) => models);
  const served = [...new Set([...replicas.map(({ model }) => model), ...coming])];
  const smoke = new Set(replicas.filter(({ smokeTest }) => smokeTest).map(({ model }) => model));
  return {
    id: stored.id,
    name: stored.name,
    standing: entry.standing,
    loadsModels: (state?.engines ?? []).some(({ kind, managed }) => kind === "embedded" && managed),
    assignable: stored.assign,
    memoryBytes: state?.inventory.memoryBytes ?? 0,
    freeMemoryBytes: state?.inventory.freeMemoryBytes ?? 0,
    gpus: state?.inventory.gpus ?? [],
    models: served,
    smokeTests: smoke.size,
    files,
    load: slots === 0 ? 0 : running / slots,
  };
}
