/** How far behind the newest call of a sender another one may arrive. */
const WINDOW = 4_096;
/** Lives of senders that are remembered; only a holder of the key can add one. */
const MAX_LIVES = 64;

interface Life {
  /** Highest number seen. */
  high: number;
  /** A bit for each of the last `WINDOW` numbers, at `number % WINDOW`. */
  readonly seen: Uint8Array;
  /** Epoch ms of the newest call. */
  lastAt: number;
}

/**
 * Takes each call of a sender once. A sender numbers its calls and marks them with the life of its process, so what is
 * remembered stays small however many calls there are: the newest number, and which of those before it have come.
 */
export class ReplayGuard {
  readonly #lives = new Map<string, Life>();

  /** False: it was here before, or is so old that nobody can tell. Call it only once the signature is known to be good. */
  take(life: string, number: number, at: number): boolean {
    const known = this.#lives.get(life);
    if (known === undefined) {
      this.#makeRoom();
      const fresh: Life = { high: number, seen: new Uint8Array(WINDOW), lastAt: at };
      fresh.seen[number % WINDOW] = 1;
      this.#lives.set(life, fresh);
      return true;
    }
    known.lastAt = Math.max(known.lastAt, at);
    if (number <= known.high - WINDOW) return false;
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

  /** Whose last call is oldest goes; a repetition of that is too old by its time by then. */
  #makeRoom(): void {
    if (this.#lives.size < MAX_LIVES) return;
    const [oldest] = [...this.#lives].sort(([, a], [, b]) => a.lastAt - b.lastAt);
    if (oldest) this.#lives.delete(oldest[0]);
  }
}
