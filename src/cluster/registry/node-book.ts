import { err, ok, type Result } from "../../core/result.ts";
import { audited } from "../../store/audited.ts";
import {
  forgetRemoved,
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
import { enrol, enrolAgain } from "./enrol-node.ts";
import { KnownNodes, type NodeProblem } from "./known-nodes.ts";
import type { NodeChange } from "./node-changes.ts";
import { blankNode, buried, outward } from "./node-record.ts";
import type { OwnRows } from "./own-rows.ts";
import { REMOVED_KEPT_MS, type RemovedNodes } from "./removed-nodes.ts";

type By = { readonly actor: string; readonly action: string };

/**
 * The nodes as they are kept, those of other leaders on the same database too. In memory with it: calls of nodes are checked
 * against this, thousands a minute.
 */
export class NodeBook {
  readonly #store: Store;
  readonly #removed: RemovedNodes;
  readonly #rows: OwnRows;
  readonly #known: KnownNodes;
  /** Changes that look at what other nodes are called come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(store: Store, removed: RemovedNodes, rows: OwnRows) {
    this.#store = store;
    this.#removed = removed;
    this.#rows = rows;
    this.#known = new KnownNodes(store, removed, rows);
  }

  static async open(store: Store, removed: RemovedNodes, rows: OwnRows): Promise<NodeBook> {
    await store.write((tx) => forgetRemoved(tx, store.clock.now() - REMOVED_KEPT_MS));
    const book = new NodeBook(store, removed, rows);
    await book.#known.load();
    const by = { actor: "leader", action: "node.remove" };
    // The database is of before their removal: it was put back from a copy.
    for (const { id } of book.list().filter((node) => removed.has(node.id))) await book.remove(id, by);
    return book;
  }

  /** Takes over what other leaders changed; whoever listens hears of each node. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#known.load());
  }

  /** Called with what another leader changed, once it holds here. */
  onChange(listener: (change: NodeChange) => void): void {
    this.#known.onChange(listener);
  }

  /** Removed ones are not among them. */
  list(): readonly StoredNode[] {
    return this.#known.list();
  }

  /** Does it beat to this leader? */
  isOwn(node: Pick<StoredNode, "leader">): boolean {
    return this.#known.isOwn(node);
  }

  /** Of a node without a record, too. */
  wasRemoved(id: string): boolean {
    return this.#known.wasRemoved(id);
  }

  /** Removed ones too. */
  get(id: string): StoredNode | null {
    return this.#known.get(id);
  }

  /** The leader's own node: made at the first start, so that it can be drained like any other. */
  async ensureLocal(id: string, name: string, version: string): Promise<StoredNode> {
    const known = this.#known.get(id);
    if (known?.version === version) return known;
    if (known !== null) return await this.#tell(known, { version });
    const now = this.#store.clock.now();
    const own = { name: this.#known.freeName(name, [id]), role: "leader" as const, leader: this.#rows.leader, version };
    const node: StoredNode = { ...blankNode(id, now), ...own };
    await this.#store.write((tx) => putNode(tx, { ...node, id: this.#rows.stored(id) }));
    this.#known.set(node);
    return node;
  }

  /** See `enrol`. */
  register(request: RegisterRequest, actor: string): ReturnType<typeof enrol> {
    return this.#inTurn(() => enrol(this.#enrolment(), request, actor));
  }

  /** See `enrolAgain`. */
  registerAgain(request: RegisterAgainRequest, proven: ProofSubject): ReturnType<typeof enrolAgain> {
    return this.#inTurn(() => enrolAgain(this.#enrolment(), request, proven));
  }

  /** What a heartbeat says of where the node is and what it runs; written only when it changed. */
  async moved(id: string, now: { readonly addresses: readonly string[]; readonly version: string }): Promise<boolean> {
    const node = this.#known.get(id);
    if (node === null) return false;
    const { addresses, version } = now;
    const same = node.version === version && node.addresses.join(" ") === addresses.join(" ");
    if (same) return false;
    this.#known.set({ ...node, addresses, version });
    // A database that is away holds no node up: lost with the leader, the node's next beat tells it again.
    await this.#tell(node, { addresses, version }).catch(() => undefined);
    return true;
  }

  async keepNextKeys(id: string, nextKeys: StoredNode["keys"]): Promise<void> {
    const node = this.#known.get(id);
    if (node !== null) await this.#tell(node, { nextKeys });
  }

  /** The next keys were used: they are the keys now, in memory at once and in the store when it takes it. */
  turnKeys(id: string): void {
    const node = this.#known.get(id);
    if (node === null || node.nextKeys === null) return;
    const turned = { keys: node.nextKeys, keysAt: this.#store.clock.now(), nextKeys: null };
    this.#known.set({ ...node, ...turned });
    // Lost with the leader, both keys are good once more, and the node's next call turns them again.
    this.#store.write((tx) => updateNode(tx, id, turned)).catch(() => undefined);
  }

  /** `also`: written in the same transaction, in its own one where the node is drained already. */
  drain(
    id: string,
    actor: string,
    also: (tx: Tx, node: StoredNode) => Promise<unknown> = async () => undefined,
  ): Promise<Result<StoredNode, NodeProblem>> {
    const by = { actor, action: "node.drain" };
    return this.#inTurn(() => this.#setDrained(id, this.#store.clock.now(), by, also));
  }

  undrain(id: string, actor: string): Promise<Result<StoredNode, NodeProblem>> {
    const by = { actor, action: "node.undrain" };
    return this.#inTurn(() => this.#setDrained(id, null, by, async () => undefined));
  }

  remove(id: string, by: By): Promise<Result<StoredNode, NodeProblem>> {
    return this.#inTurn(() => this.#remove(id, by));
  }

  /** When nodes were heard last, and what they have; once in a while. */
  async markSeen(
    seen: readonly { readonly id: string; readonly at: number; readonly inventory: unknown }[],
  ): Promise<void> {
    const known = seen.filter(({ id }) => this.#known.get(id) !== null);
    if (known.length === 0) return;
    const rows = known.map((node) => ({ ...node, id: this.#rows.stored(node.id) }));
    await this.#store.write((tx) => markSeen(tx, rows));
    for (const { id, at, inventory } of known) {
      const node = this.#known.get(id);
      if (node !== null) this.#known.set({ ...node, lastSeenAt: at, inventory });
    }
  }

  async #remove(id: string, by: By): Promise<Result<StoredNode, NodeProblem>> {
    await this.#known.load();
    const node = this.#known.live(id);
    if (!node.ok) return node;
    if (node.value.role === "leader") {
      return err({ kind: "conflict", message: `${node.value.name} is the leader itself`, mend: "flock down" });
    }
    const removedAt = this.#store.clock.now();
    const done = await audited<undefined, NodeProblem>(this.#store, by, async (tx) => {
      await forgetRemoved(tx, removedAt - REMOVED_KEPT_MS);
      await markRemoved(tx, id, removedAt);
      this.#removed.add(id, removedAt);
      return ok({ target: id, before: outward(node.value), after: null, value: undefined });
    }).catch((cause: unknown) => {
      // Whoever asked hears that it failed: the node must not be refused nevertheless.
      this.#removed.drop(id);
      throw cause;
    });
    if (!done.ok) return done;
    this.#known.set(buried(node.value, removedAt));
    return ok(node.value);
  }

  async #setDrained(
    id: string,
    drainedAt: number | null,
    by: By,
    also: (tx: Tx, node: StoredNode) => Promise<unknown>,
  ): Promise<Result<StoredNode, NodeProblem>> {
    await this.#known.load();
    const node = this.#known.live(id);
    if (!node.ok) return node;
    const was = node.value.drainedAt !== null;
    const drained = drainedAt !== null;
    if (was === drained) {
      await this.#store.write((tx) => also(tx, node.value));
      return node;
    }
    const done = await audited<undefined, NodeProblem>(this.#store, by, async (tx) => {
      await setDrained(tx, this.#rows.stored(id), drainedAt);
      await also(tx, node.value);
      return ok({ target: id, before: { drained: was }, after: { drained }, value: undefined });
    });
    if (!done.ok) return done;
    const after = { ...node.value, drainedAt };
    this.#known.set(after);
    return ok(after);
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
    const after = { ...(this.#known.get(node.id) ?? node), ...told };
    this.#known.set(after);
    return after;
  }

  #enrolment() {
    return { store: this.#store, known: this.#known, leader: this.#rows.leader };
  }
}
