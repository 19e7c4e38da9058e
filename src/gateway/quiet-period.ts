import type { GatewayDeps } from "./ports.ts";
import type { PulledAnswer } from "./stream-reply.ts";

/** Resolves after the time in which an early failure may still become a real status. */
export function quietPeriod(deps: Pick<GatewayDeps, "limits">, answer: PulledAnswer): Promise<"quiet"> {
  const startedMs = performance.now();
  return new Promise((resolve) => {
    answer.onTick = (nowMs) => {
      const limitMs = answer.waiting ? deps.limits.quietWaitingMs : deps.limits.quietMs;
      if (nowMs - startedMs < limitMs) return;
      answer.onTick = null;
      resolve("quiet");
    };
  });
}
