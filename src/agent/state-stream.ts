import type { NodeState } from "../core/node.ts";
import type { StateHub } from "./state-hub.ts";

/**
 * One JSON state per line: at once, after each change, and every `heartbeatMs` (then with the version it had, and fresh
 * free memory). Pulled, so that a watcher which does not read costs nothing and gets the newest when it does.
 */
export function stateStream(
  hub: StateHub,
  state: () => Promise<NodeState>,
  heartbeatMs: number,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const over = AbortSignal.any([signal, gone.signal]);
  let seen = -1;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await hub.next(seen, heartbeatMs, over);
        if (over.aborted) {
          if (!gone.signal.aborted) controller.close();
          return;
        }
        const value = await state();
        seen = value.version;
        controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      },
      cancel() {
        gone.abort();
      },
    },
    { highWaterMark: 0 },
  );
}
