import { newId } from "../../core/id.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { audited } from "../../store/audited.ts";
import { isRemoved, markRemoved, putNode, type StoredNode } from "../../store/nodes.ts";
import type { Store } from "../../store/store.ts";
import type { RegisterAgainRequest, RegisterRequest } from "../node-protocol.ts";
import type { ProofSubject } from "../registration-proof.ts";
import type { KnownNodes } from "./known-nodes.ts";
import { blankNode, buried, outward } from "./node-record.ts";

export interface EnrolParts {
  readonly store: Store;
  readonly known: KnownNodes;
  /** Whose nodes they are from now on. */
  readonly leader: string;
}

/** Records a worker; one of the same machine is replaced, its id and name kept. */
export async function enrol(
  { store, known: nodes, leader }: EnrolParts,
  request: RegisterRequest,
  actor: string,
): Promise<{ readonly node: StoredNode; readonly known: boolean }> {
  await nodes.load();
  const now = store.clock.now();
  const known = nodes.list().find(({ machine, role }) => role === "worker" && machine === request.machine);
  const id = known?.id ?? newId("n", 8);
  const node: StoredNode = {
    ...(known ?? blankNode(id, now)),
    name: nodes.freeName(request.name, [id]),
    addresses: request.addresses,
    keys: request.keys,
    keysAt: now,
    nextKeys: null,
    machine: request.machine,
    assign: request.assign,
    leader,
    version: request.version,
    inventory: request.inventory,
    lastSeenAt: null,
    drainedAt: null,
  };
  await audited<undefined, never>(store, { actor, action: "node.register" }, async (tx) => {
    await putNode(tx, node);
    const before = known === undefined ? null : outward(known);
    return ok({ target: id, before, after: outward(node), value: undefined });
  });
  nodes.set(node);
  return { node, known: known !== undefined };
}

/**
 * Records a worker that proved that it was registered before, under its id and name of then. `removed`: a person took
 * it out. `outdated`: that machine or that id has a newer key by now, the proof is of an earlier life.
 */
export async function enrolAgain(
  { store, known: nodes, leader }: EnrolParts,
  request: RegisterAgainRequest,
  proven: ProofSubject,
): Promise<Result<{ readonly node: StoredNode; readonly replaced: readonly string[] }, "removed" | "outdated">> {
  await nodes.load();
  const { node: id, machine, since } = proven;
  if (nodes.wasRemoved(id)) return err("removed");
  const known = nodes.get(id);
  // The answer to an earlier call was lost on its way.
  if (known?.keys?.linkKey === proven.linkKey) return ok({ node: known, replaced: [] });
  const others = nodes.list().filter((node) => node.id !== id && node.machine === machine);
  if ([...others, ...(known === null ? [] : [known])].some(({ keysAt }) => keysAt > since)) return err("outdated");
  const replaced = others.map((node) => node.id);
  const node: StoredNode = {
    ...(known ?? blankNode(id, since)),
    name: nodes.freeName(known?.name ?? proven.name, [id, ...replaced]),
    addresses: request.addresses,
    keys: request.keys,
    keysAt: since,
    nextKeys: null,
    machine,
    assign: proven.assign,
    leader,
    version: request.version,
    inventory: request.inventory,
  };
  const now = store.clock.now();
  const by = { actor: `node ${id}`, action: "node.register-again" };
  const done = await audited<undefined, "removed">(store, by, async (tx) => {
    if (await isRemoved(tx, id)) return err("removed");
    for (const other of replaced) await markRemoved(tx, other, now);
    await putNode(tx, node);
    const before = known === null ? null : outward(known);
    return ok({ target: id, before, after: { ...outward(node), replaced }, value: undefined });
  });
  if (!done.ok) return done;
  for (const other of others) nodes.set(buried(other, now));
  nodes.set(node);
  return ok({ node, replaced });
}
