import { wait } from "../../core/wait.ts";

export interface LanTimes {
  /** Between two looks while the way is open. */
  readonly everyMs: number;
  /** Between two looks while it is not: the first, doubled up to the second. */
  readonly retryMs: readonly [number, number];
  /** How long a node may take to answer. */
  readonly answerMs: number;
}

export const LAN_TIMES: LanTimes = { everyMs: 10_000, retryMs: [1_000, 60_000], answerMs: 3_000 };

/** Misses in a row before an open way is given up: one lost packet burst must not cut what runs. */
const MISSES = 2;

export interface LanWatchParts {
  readonly addresses: readonly string[];
  /** True: the right node answers there. May throw. */
  readonly ask: (address: string, signal: AbortSignal) => Promise<boolean>;
  readonly times: LanTimes;
  /** Called after every look with where the node answers; null: nowhere. */
  readonly found: (address: string | null) => void;
}

/** Finds out at which of its addresses a node can be reached directly, and goes on looking. */
export function watchLan({ addresses, ask, times, found }: LanWatchParts): { stop(): void; failed(): void } {
  const stopped = new AbortController();
  let hurry = new AbortController();
  const answers = async (address: string): Promise<boolean> => {
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(times.answerMs)]);
    return await ask(address, signal).catch(() => false);
  };
  const search = async (): Promise<string | null> => {
    const tried = await Promise.all(addresses.map(async (address) => ((await answers(address)) ? address : null)));
    return tried.find((address) => address !== null) ?? null;
  };
  const run = async (): Promise<void> => {
    const [firstMs, mostMs] = times.retryMs;
    let retryMs = firstMs;
    let open: string | null = null;
    let misses = 0;
    while (!stopped.signal.aborted) {
      if (open === null) {
        open = await search();
        misses = 0;
      } else if (await answers(open)) {
        misses = 0;
      } else if (++misses >= MISSES) {
        open = null;
      }
      if (stopped.signal.aborted) return;
      found(open);
      hurry = new AbortController();
      const pauseMs = open === null ? retryMs : misses > 0 ? firstMs : times.everyMs;
      retryMs = open === null ? Math.min(retryMs * 2, mostMs) : firstMs;
      await wait(pauseMs, AbortSignal.any([stopped.signal, hurry.signal]));
      if (hurry.signal.aborted) {
        open = null;
        retryMs = firstMs;
      }
    }
  };
  if (addresses.length > 0) void run();
  return { stop: () => stopped.abort(), failed: () => hurry.abort() };
}
