import { newId } from "../../core/id.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { audited, type Change } from "../../store/audited.ts";
import {
  forgetRemoved,
  isRemoved,
  listNodes,
  markRemoved,
  markSeen,
  putNode,
  setDrained,
  type StoredNode,
} from "../../store/nodes.ts";
import type { Store, Tx } from "../../store/store.ts";
import type { RegisterAgainRequest, RegisterRequest } from "../node-protocol.ts";
import type { ProofSubject } from "../registration-proof.ts";
import { blankNode, buried, outward } from "./node-record.ts";
import { REMOVED_KEPT_MS, type RemovedNodes } from "./removed-nodes.ts";

export type NodeProblem =
  | { readonly kind: "not_found"; readonly what: string; readonly mend: string }
  | { readonly kind: "conflict"; readonly message: string; readonly mend: string };

/** The nodes as they are kept. In memory with it: calls of nodes are checked against this, thousands a minute. */
export class NodeBook {
  readonly #store: Store;
  readonly #removed: RemovedNodes;
  readonly #nodes: Map<string, StoredNode>;
  /** Changes that look at what other nodes are called come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(store: Store, removed: RemovedNodes, nodes: readonly StoredNode[]) {
    this.#store = store;
    this.#removed = removed;
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
  }

  static async open(store: Store, removed: RemovedNodes): Promise<NodeBook> {
    await store.write((tx) => forgetRemoved(tx, store.clock.now() - REMOVED_KEPT_MS));
    const book = new NodeBook(store, removed, await listNodes(store.sql));
    const by = { actor: "leader", action: "node.remove" };
    // The database is of before their removal: it was put back from a copy.
    for (const { id } of book.list().filter((node) => removed.has(node.id))) await book.remove(id, by);
    return book;
  }

  /** Removed ones are not among them. */
  list(): readonly StoredNode[] {
    return [...this.#nodes.values()].filter(({ removedAt }) => removedAt === null);
  }

  /** Of a node without a record, too. */
  wasRemoved(id: string): boolean {
    return this.#removed.has(id) || (this.#nodes.get(id)?.removedAt ?? null) !== null;
  }

  /** Removed ones too. */
  get(id: string): StoredNode | null {
    return this.#nodes.get(id) ?? null;
  }

  /** The leader's own node: made at the first start, so that it can be drained like any other. */
  async ensureLocal(id: string, name: string, version: string): Promise<StoredNode> {
    const known = this.#nodes.get(id);
    if (known !== undefined && known.version === version) return known;
    const now = this.#store.clock.now();
    const base = known ?? { ...blankNode(id, now), name: this.#freeName(name, [id]), role: "leader" as const };
    return await this.#put({ ...base, version });
  }

  /** Records a worker; one of the same machine is replaced, its id and name kept. */
  register(request: RegisterRequest, actor: string): Promise<{ readonly node: StoredNode; readonly known: boolean }> {
    return this.#inTurn(() => this.#register(request, actor));
  }

  async #register(
    request: RegisterRequest,
    actor: string,
  ): Promise<{ readonly node: StoredNode; readonly known: boolean }> {
    const now = this.#store.clock.now();
    const known = this.list().find(({ machine, role }) => role === "worker" && machine === request.machine);
    const id = known?.id ?? newId("n", 8);
    const node: StoredNode = {
      ...(known ?? blankNode(id, now)),
      name: this.#freeName(request.name, [id]),
      addresses: request.addresses,
      keys: request.keys,
      keysAt: now,
      nextKeys: null,
      machine: request.machine,
      assign: request.assign,
      version: request.version,
      inventory: request.inventory,
      drainedAt: null,
    };
    await this.#audited<never>({ actor, action: "node.register" }, async (tx) => {
      await putNode(tx, node);
      return ok({
        target: id,
        before: known === undefined ? null : outward(known),
        after: outward(node),
        value: undefined,
      });
    });
    this.#nodes.set(id, node);
    return { node, known: known !== undefined };
  }

  /**
   * Records a worker that proved that it was registered before, under its id and name of then. `removed`: a person took
   * it out. `outdated`: that machine or that id has a newer key by now, the proof is of an earlier life.
   */
  registerAgain(
    request: RegisterAgainRequest,
    proven: ProofSubject,
  ): Promise<Result<{ readonly node: StoredNode; readonly replaced: readonly string[] }, "removed" | "outdated">> {
    return this.#inTurn(async () => {
      const { node: id, machine, since } = proven;
      if (this.wasRemoved(id)) return err("removed");
      const known = this.#nodes.get(id);
      // The answer to an earlier call was lost on its way.
      if (known?.keys?.linkKey === proven.linkKey) return ok({ node: known, replaced: [] });
      const others = this.list().filter((node) => node.id !== id && node.machine === machine);
      if ([...others, ...(known === undefined ? [] : [known])].some(({ keysAt }) => keysAt > since))
        return err("outdated");
      const replaced = others.map((node) => node.id);
      const node: StoredNode = {
        ...(known ?? blankNode(id, since)),
        name: this.#freeName(known?.name ?? proven.name, [id, ...replaced]),
        addresses: request.addresses,
        keys: request.keys,
        keysAt: since,
        nextKeys: null,
        machine,
        assign: proven.assign,
        version: request.version,
        inventory: request.inventory,
      };
      const now = this.#store.clock.now();
      const by = { actor: `node ${id}`, action: "node.register-again" };
      const done = await this.#audited<"removed">(by, async (tx) => {
        if (await isRemoved(tx, id)) return err("removed");
        for (const other of replaced) await markRemoved(tx, other, now);
        await putNode(tx, node);
        const before = known === undefined ? null : outward(known);
        return ok({ target: id, before, after: { ...outward(node), replaced }, value: undefined });
      });
      if (!done.ok) return done;
      for (const other of others) this.#nodes.set(other.id, buried(other, now));
      this.#nodes.set(id, node);
      return ok({ node, replaced });
    });
  }

  /** What a heartbeat says of where the node is and what it runs; written only when it changed. */
  async moved(id: string, now: { readonly addresses: readonly string[]; readonly version: string }): Promise<boolean> {
    const node = this.#nodes.get(id);
    if (node === undefined) return false;
    const same = node.version === now.version && node.addresses.join(" ") === now.addresses.join(" ");
    if (!same) await this.#put({ ...node, ...now });
    return !same;
  }

  async keepNextKeys(id: string, nextKeys: StoredNode["keys"]): Promise<void> {
    const node = this.#nodes.get(id);
    if (node !== undefined) await this.#put({ ...node, nextKeys });
  }

  /** The next keys were used: they are the keys now, in memory at once and in the store when it takes it. */
  turnKeys(id: string): void {
    const node = this.#nodes.get(id);
    if (node === undefined || node.nextKeys === null) return;
    const turned = { ...node, keys: node.nextKeys, keysAt: this.#store.clock.now(), nextKeys: null };
    this.#nodes.set(id, turned);
    // Lost with the leader, both keys are good once more, and the node's next call turns them again.
    this.#store.write((tx) => putNode(tx, turned)).catch(() => undefined);
  }

  async drain(id: string, actor: string): Promise<Result<StoredNode, NodeProblem>> {
    return await this.#setDrained(id, this.#store.clock.now(), { actor, action: "node.drain" });
  }

  async undrain(id: string, actor: string): Promise<Result<StoredNode, NodeProblem>> {
    return await this.#setDrained(id, null, { actor, action: "node.undrain" });
  }

  remove(
    id: string,
    by: { readonly actor: string; readonly action: string },
  ): Promise<Result<StoredNode, NodeProblem>> {
    return this.#inTurn(() => this.#remove(id, by));
  }

  async #remove(
    id: string,
    by: { readonly actor: string; readonly action: string },
  ): Promise<Result<StoredNode, NodeProblem>> {
    const node = this.#live(id);
    if (!node.ok) return node;
    if (node.value.role === "leader") {
      return err({ kind: "conflict", message: `${node.value.name} is the leader itself`, mend: "flock down" });
    }
    const removedAt = this.#store.clock.now();
    const done = await this.#audited<NodeProblem>(by, async (tx) => {
      await forgetRemoved(tx, removedAt - REMOVED_KEPT_MS);
      await markRemoved(tx, id, removedAt);
      this.#removed.add(id, removedAt);
      return ok({ target: id, before: outward(node.value), after: null, value: undefined });
    });
    if (!done.ok) return done;
    this.#nodes.set(id, buried(node.value, removedAt));
    return ok(node.value);
  }

  /** When nodes were heard last, and what they have; once in a while. */
  async markSeen(
    seen: readonly { readonly id: string; readonly at: number; readonly inventory: unknown }[],
  ): Promise<void> {
    const known = seen.filter(({ id }) => this.#nodes.has(id));
    if (known.length === 0) return;
    await this.#store.write((tx) => markSeen(tx, known));
    for (const { id, at, inventory } of known) {
      const node = this.#nodes.get(id);
      if (node !== undefined) this.#nodes.set(id, { ...node, lastSeenAt: at, inventory });
    }
  }

  async #setDrained(
    id: string,
    drainedAt: number | null,
    by: { readonly actor: string; readonly action: string },
  ): Promise<Result<StoredNode, NodeProblem>> {
    const node = this.#live(id);
    if (!node.ok) return node;
    const before = node.value.drainedAt;
    const unchanged = (before === null) === (drainedAt === null);
    if (unchanged) return node;
    const done = await this.#audited<NodeProblem>(by, async (tx) => {
      await setDrained(tx, id, drainedAt);
      return ok({
        target: id,
        before: { drained: before !== null },
        after: { drained: drainedAt !== null },
        value: undefined,
      });
    });
    if (!done.ok) return done;
    const after = { ...node.value, drainedAt };
    this.#nodes.set(id, after);
    return ok(after);
  }

  #live(id: string): Result<StoredNode, NodeProblem> {
    const node = this.#nodes.get(id);
    if (node !== undefined && node.removedAt === null) return ok(node);
    return err({ kind: "not_found", what: `node ${id}`, mend: "flock node ls" });
  }

  /** Two machines of one name are told apart by a number. */
  #freeName(wanted: string, own: readonly string[]): string {
    const taken = new Set([...this.#nodes.values()].filter(({ id }) => !own.includes(id)).map(({ name }) => name));
    if (!taken.has(wanted)) return wanted;
    for (let count = 2; ; count += 1) if (!taken.has(`${wanted}-${count}`)) return `${wanted}-${count}`;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change, change);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #put(node: StoredNode): Promise<StoredNode> {
    await this.#store.write((tx) => putNode(tx, node));
    this.#nodes.set(node.id, node);
    return node;
  }

  #audited<E>(
    by: { readonly actor: string; readonly action: string },
    change: (tx: Tx) => Promise<Result<Change<undefined>, E>>,
  ): Promise<Result<undefined, E>> {
    return audited<undefined, E>(this.#store, by, change);
  }
}
