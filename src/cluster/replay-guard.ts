/** How far behind the newest call of a sender another one may arrive. */
const WINDOW = 4_096;
/** Lives of senders that are remembered; only a holder of the key can add one, each command typed on a worker does. */
const MAX_LIVES = 4_096;

interface Life {
  /** Highest number seen. */
  high: number;
  /** Since its second call: a bit for each of the last `WINDOW` numbers, at `number % WINDOW`. */
  seen: Uint8Array | null;
  /** Epoch ms of the newest call. */
  lastAt: number;
}

/**
 * Takes each call of a sender once, within one process: `Audience` keeps calls to another one away. A sender numbers its
 * calls and marks them with the life of its process, so what is remembered stays small however many calls there are: the
 * newest number, and which of those before it have come.
 */
export class ReplayGuard {
  readonly #lives = new Map<string, Life>();

  /**
   * False: it was here before, or nobody can tell. `oldestAt`: what was signed before is refused by its time anyway. Call it
   * only once the signature is known to be good.
   */
  take(life: string, number: number, at: number, oldestAt: number): boolean {
    const known = this.#lives.get(life);
    if (known === undefined) {
      if (!this.#hasRoom(oldestAt)) return false;
      this.#lives.set(life, { high: number, seen: null, lastAt: at });
      return true;
    }
    known.lastAt = Math.max(known.lastAt, at);
    if (number <= known.high - WINDOW) return false;
    if (known.seen === null) {
      known.seen = new Uint8Array(WINDOW);
      known.seen[known.high % WINDOW] = 1;
    }
    if (number > known.high) {
      const from = Math.max(known.high + 1, number - WINDOW + 1);
      for (let passed = from; passed < number; passed++) known.seen[passed % WINDOW] = 0;
      known.high = number;
    } else if (known.seen[number % WINDOW] === 1) {
      return false;
    }
    known.seen[number % WINDOW] = 1;
    return true;
  }

  /** Forgets only what nobody could repeat any more. */
  #hasRoom(oldestAt: number): boolean {
    if (this.#lives.size < MAX_LIVES) return true;
    for (const [life, { lastAt }] of this.#lives) if (lastAt < oldestAt) this.#lives.delete(life);
    return this.#lives.size < MAX_LIVES;
  }
}
