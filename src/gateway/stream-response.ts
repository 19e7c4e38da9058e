import type { Failure } from "../core/failure.ts";
import type { Account } from "./account.ts";
import type { GatewayDeps } from "./ports.ts";
import type { Relay } from "./relay.ts";

/** An answer that comes piece by piece when it is asked for. */
export interface PulledAnswer {
  /** No replica has it yet. */
  readonly waiting: boolean;
  /** Called about four times a second while the answer runs. */
  onTick: ((nowMs: number) => void) | null;
  /** The next whole frames; null after the last. Never rejects. */
  next(): Promise<Uint8Array | null>;
  /** The client is gone. */
  cancel(): void;
}

/** Proxies must neither keep nor gather what comes piece by piece. */
export const STREAM_HEADERS = {
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

export interface StreamResponseOptions {
  readonly deps: GatewayDeps;
  readonly account: Account;
  readonly relay: Pick<Relay, "failBeforeStart">;
  readonly answer: PulledAnswer;
  /** The answer's `open()`, running or done. */
  readonly opening: Promise<Failure | null>;
  readonly headers: Record<string, string>;
  readonly keepAlive: Uint8Array;
}

/**
 * The client's stream. It is pulled: nothing is read from the engine that the client has no room for. Comments keep a
 * quiet stream open; only whole frames are ever enqueued, so that one fits between any two.
 */
export function streamResponse(options: StreamResponseOptions): Response {
  const { deps, answer, account, relay, opening } = options;
  let opened = false;
  let closed = false;
  let lastSentMs = performance.now();
  const close = (): void => {
    if (closed) return;
    closed = true;
    answer.onTick = null;
    deps.metrics.streamClosed();
  };
  const hangUp = (): void => {
    answer.cancel();
    close();
  };
  deps.metrics.streamOpened();

  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      answer.onTick = (nowMs) => {
        if (nowMs - lastSentMs < deps.limits.keepAliveMs || (controller.desiredSize ?? 0) <= 0) return;
        lastSentMs = nowMs;
        controller.enqueue(options.keepAlive);
      };
    },
    async pull(controller) {
      if (!opened) {
        const failure = await opening;
        opened = true;
        if (failure) {
          await account.fail(failure, 200);
          if (!closed) {
            controller.enqueue(relay.failBeforeStart(failure));
            controller.close();
          }
          close();
          return;
        }
      }
      const bytes = await answer.next();
      lastSentMs = performance.now();
      if (bytes) {
        if (!closed) controller.enqueue(bytes);
        return;
      }
      if (!closed) controller.close();
      close();
    },
    cancel() {
      hangUp();
    },
  });
  return new Response(body, { headers: options.headers });
}
