interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Simulated time: it jumps from one event to the next. Events of one moment run in the order in which they were made. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #made = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    this.#made += 1;
    const event: Event = { atMs: this.#nowMs + ms, order: this.#made, run, cancelled: false };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Runs what comes until `endMs`. Promises that an event resolved are heard before the next. */
  async run(endMs: number): Promise<void> {
    await settled();
    for (let event = this.#pop(endMs); event !== null; event = this.#pop(endMs)) {
      this.#nowMs = event.atMs;
      if (event.cancelled) continue;
      event.run();
      await settled();
    }
    this.#nowMs = endMs;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || before(parent, event)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(endMs: number): Event | null {
    const heap = this.#heap;
    const [top] = heap;
    if (top === undefined || top.atMs > endMs) return null;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const right = heap[below + 1];
      let child = heap[below];
      if (child === undefined) break;
      if (right !== undefined && before(right, child)) {
        below += 1;
        child = right;
      }
      if (before(last, child)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return top;
  }
}

/** Longer than any chain of promises in a simulation. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await Promise.resolve();
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
