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
  type NodeTold,
  setDrained,
  type StoredNode,
  updateNode,
} from "../../store/nodes.ts";
import type { Store, Tx } from "../../store/store.ts";
import type { RegisterAgainRequest, RegisterRequest } from "../node-protocol.ts";
import type { ProofSubject } from "../registration-proof.ts";
import { type NodeChange, takeOver } from "./node-changes.ts";
import { blankNode, buried, outward } from "./node-record.ts";
import type { OwnRows } from "./own-rows.ts";
import { REMOVED_KEPT_MS, type RemovedNodes } from "./removed-nodes.ts";

export type NodeProblem =
  | { readonly kind: "not_found"; readonly what: string; readonly mend: string }
  | { readonly kind: "conflict"; readonly message: string; readonly mend: string };

/**
 * The nodes as they are kept, those of other leaders on the same database too. In memory with it: calls of nodes are checked
 * against this, thousands a minute.
 */
export class NodeBook {
  readonly #store: Store;
  readonly #removed: RemovedNodes;
  readonly #rows: OwnRows;
  readonly #nodes = new Map<string, StoredNode>();
  /** Of other leaders' own machines, which are not shown here. */
  readonly #othersNames = new Set<string>();
  readonly #listeners = new Set<(change: NodeChange) => void>();
  /** Changes that look at what other nodes are called come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(store: Store, removed: RemovedNodes, rows: OwnRows) {
    this.#store = store;
    this.#removed = removed;
    this.#rows = rows;
  }

  static async open(store: Store, removed: RemovedNodes, rows: OwnRows): Promise<NodeBook> {
    await store.write((tx) => forgetRemoved(tx, store.clock.now() - REMOVED_KEPT_MS));
    const book = new NodeBook(store, removed, rows);
    await book.#load();
    const by = { actor: "leader", action: "node.remove" };
    // The database is of before their removal: it was put back from a copy.
    for (const { id } of book.list().filter((node) => removed.has(node.id))) await book.remove(id, by);
    return book;
  }

  /** Takes over what other leaders changed; whoever listens hears of each node. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#load());
  }

  /** Called with what another leader changed, once it holds here. */
  onChange(listener: (change: NodeChange) => void): void {
    this.#listeners.add(listener);
  }

  /** Removed ones are not among them. */
  list(): readonly StoredNode[] {
    return [...this.#nodes.values()].filter(({ removedAt }) => removedAt === null);
  }

  /** Does it beat to this leader? */
  isOwn({ leader }: Pick<StoredNode, "leader">): boolean {
    return leader === "" || leader === this.#rows.leader;
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
    if (known?.version === version) return known;
    if (known !== undefined) return await this.#tell(known, { version });
    const now = this.#store.clock.now();
    const own = { name: this.#freeName(name, [id]), role: "leader" as const, leader: this.#rows.leader, version };
    const node: StoredNode = { ...blankNode(id, now), ...own };
    await this.#store.write((tx) => putNode(tx, this.#toRow(node)));
    this.#nodes.set(id, node);
    return node;
  }

  /** Records a worker; one of the same machine is replaced, its id and name kept. */
  register(request: RegisterRequest, actor: string): Promise<{ readonly node: StoredNode; readonly known: boolean }> {
    return this.#inTurn(() => this.#register(request, actor));
  }

  async #register(
    request: RegisterRequest,
    actor: string,
  ): Promise<{ readonly node: StoredNode; readonly known: boolean }> {
    await this.#load();
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
      leader: this.#rows.leader,
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
      await this.#load();
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
        leader: this.#rows.leader,
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
    const { addresses, version } = now;
    const same = node.version === version && node.addresses.join(" ") === addresses.join(" ");
    if (!same) await this.#tell(node, { addresses, version });
    return !same;
  }

  async keepNextKeys(id: string, nextKeys: StoredNode["keys"]): Promise<void> {
    const node = this.#nodes.get(id);
    if (node !== undefined) await this.#tell(node, { nextKeys });
  }

  /** The next keys were used: they are the keys now, in memory at once and in the store when it takes it. */
  turnKeys(id: string): void {
    const node = this.#nodes.get(id);
    if (node === undefined || node.nextKeys === null) return;
    const turned = { keys: node.nextKeys, keysAt: this.#store.clock.now(), nextKeys: null };
    this.#nodes.set(id, { ...node, ...turned });
    // Lost with the leader, both keys are good once more, and the node's next call turns them again.
    this.#store.write((tx) => updateNode(tx, id, turned)).catch(() => undefined);
  }

  drain(id: string, actor: string): Promise<Result<StoredNode, NodeProblem>> {
    const by = { actor, action: "node.drain" };
    return this.#inTurn(() => this.#setDrained(id, this.#store.clock.now(), by));
  }

  undrain(id: string, actor: string): Promise<Result<StoredNode, NodeProblem>> {
    return this.#inTurn(() => this.#setDrained(id, null, { actor, action: "node.undrain" }));
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
    await this.#load();
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
    const rows = known.map((node) => ({ ...node, id: this.#rows.stored(node.id) }));
    await this.#store.write((tx) => markSeen(tx, rows));
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
    await this.#load();
    const node = this.#live(id);
    if (!node.ok) return node;
    const before = node.value.drainedAt;
    const unchanged = (before === null) === (drainedAt === null);
    if (unchanged) return node;
    const done = await this.#audited<NodeProblem>(by, async (tx) => {
      await setDrained(tx, this.#rows.stored(id), drainedAt);
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
    const others = [...this.#nodes.values()].filter(({ id }) => !own.includes(id)).map(({ name }) => name);
    const taken = new Set([...others, ...this.#othersNames]);
    if (!taken.has(wanted)) return wanted;
    for (let count = 2; ; count += 1) if (!taken.has(`${wanted}-${count}`)) return `${wanted}-${count}`;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change, change);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Only what its leader knows better is written: who changed the rest may have been another leader. */
  async #tell(node: StoredNode, told: NodeTold): Promise<StoredNode> {
    await this.#store.write((tx) => updateNode(tx, this.#rows.stored(node.id), told));
    // It may have been removed or drained while that was written.
    const after = { ...(this.#nodes.get(node.id) ?? node), ...told };
    this.#nodes.set(node.id, after);
    return after;
  }

  async #load(): Promise<void> {
    const first = this.#nodes.size === 0;
    if (!first && this.#rows.leader === "") return;
    for (const row of await listNodes(this.#store.sql)) {
      const id = this.#rows.known(row);
      if (id === null) {
        this.#othersNames.add(row.name);
        continue;
      }
      const now = { ...row, id };
      const { node, change } = takeOver(this.#nodes.get(id), now, (one) => this.isOwn(one));
      this.#nodes.set(id, node);
      if (change === null || first) continue;
      if (change.kind === "removed") this.#removed.add(id, node.removedAt ?? this.#store.clock.now());
      for (const listener of this.#listeners) listener(change);
    }
  }

  #toRow(node: StoredNode): StoredNode {
    return { ...node, id: this.#rows.stored(node.id) };
  }

  #audited<E>(
    by: { readonly actor: string; readonly action: string },
    change: (tx: Tx) => Promise<Result<Change<undefined>, E>>,
  ): Promise<Result<undefined, E>> {
    return audited<undefined, E>(this.#store, by, change);
  }
}
