/** What is older says nothing of now; and a model that is spared for its slowness is tried again after it. */
const WINDOW_MS = 60_000;
const MOST_SAMPLES = 128;
/** Fewer say nothing. */
const LEAST_SAMPLES = 8;

/** The latencies of one model's last minute. */
export class LatencyWindow {
  #samples: { readonly atMs: number; readonly tookMs: number }[] = [];

  add(tookMs: number, nowMs: number): void {
    this.#samples.push({ atMs: nowMs, tookMs });
    if (this.#samples.length > MOST_SAMPLES) this.#samples = this.#samples.slice(MOST_SAMPLES / 2);
  }

  /** Null: too little is known. */
  p95(nowMs: number): number | null {
    const recent = this.#samples.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
    this.#samples = recent;
    if (recent.length < LEAST_SAMPLES) return null;
    const sorted = recent.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
    return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? null;
  }
}
