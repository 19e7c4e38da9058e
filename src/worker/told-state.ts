import type { UnchangedState } from "../cluster/node-protocol.ts";
import type { NodeState } from "../core/node.ts";

interface Told {
  readonly content: string;
  readonly sequence: number;
}

/**
 * What the leader has been told of this node: what did not change since is not told again, free memory aside, which always
 * does. A beat that refers to an earlier one is a tenth of one that tells all, for both sides.
 */
export class ToldState {
  /** The last that the leader answered; null: it is told all. */
  #known: Told | null = null;
  #asked: Told | null = null;

  /** What beat number `sequence` says of this state, without the secrets of engines: the link adds them to calls by itself. */
  next(state: NodeState, sequence: number): NodeState | UnchangedState {
    const shown = { ...state, engines: state.engines.map((engine) => ({ ...engine, secret: "" })) };
    const { inventory } = shown;
    const content = JSON.stringify({ ...shown, inventory: { ...inventory, freeMemoryBytes: 0 } });
    if (this.#known?.content === content) {
      this.#asked = this.#known;
      return { since: this.#known.sequence, freeMemoryBytes: inventory.freeMemoryBytes };
    }
    this.#asked = { content, sequence };
    return shown;
  }

  /** The leader took the last beat. */
  answered(): void {
    this.#known = this.#asked;
  }

  /** The next beat tells all: who knows what became of the last one, and who answers the next. */
  forget(): void {
    this.#known = null;
  }
}
