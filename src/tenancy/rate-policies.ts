import type { Clock } from "../core/clock.ts";
import type { Failure, LimitName } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Ask, Granted } from "./policies.ts";
import { RateWindow } from "./rate-window.ts";

/** Windows of the keys that have such a limit; a key that falls silent is forgotten when others come. */
class Windows {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, RateWindow>();
  #sweepAt = 1024;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(keyId: string): RateWindow {
    const known = this.#byKey.get(keyId);
    if (known) return known;
    if (this.#byKey.size >= this.#sweepAt) {
      for (const [id, window] of this.#byKey) if (window.sum === 0) this.#byKey.delete(id);
      this.#sweepAt = Math.max(1024, this.#byKey.size * 2);
    }
    const window = new RateWindow(this.#clock);
    this.#byKey.set(keyId, window);
    return window;
  }
}

/** At most so many requests of a key in any minute. */
export function requestRatePolicy(clock: Clock) {
  const windows = new Windows(clock);
  return {
    name: "requests per minute",
    admit({ principal: { keyId, limits } }: Ask): Result<Granted | null, Failure> {
      const limit = limits.requestsPerMinute;
      if (limit === 0) return ok(null);
      const window = windows.of(keyId);
      if (window.sum + 1 > limit) return err(limited("requests_per_minute", limit, window.waitMs(1, limit)));
      window.add(1);
      return ok(null);
    },
  };
}

/** At most so many tokens of a key in any minute: the prompt is counted at once, the answer as it grows. */
export function tokenRatePolicy(clock: Clock) {
  const windows = new Windows(clock);
  return {
    name: "tokens per minute",
    admit({ principal: { keyId, limits }, promptTokensEstimate }: Ask): Result<Granted | null, Failure> {
      const limit = limits.tokensPerMinute;
      if (limit === 0) return ok(null);
      const window = windows.of(keyId);
      // A prompt above the limit as a whole may pass when the minute is empty: otherwise it never could.
      const fits = window.sum + promptTokensEstimate <= limit || window.sum === 0;
      if (!fits) return err(limited("tokens_per_minute", limit, window.waitMs(promptTokensEstimate, limit)));
      window.add(promptTokensEstimate);
      let released = false;
      return ok({
        extend: () => true,
        release(usedTokens) {
          if (released) return;
          released = true;
          window.add(usedTokens - promptTokensEstimate);
        },
      });
    },
  };
}

function limited(limit: LimitName, most: number, retryAfterMs: number): Failure {
  const what = limit === "requests_per_minute" ? "requests" : "tokens";
  return { kind: "rate_limited", limit, message: `This key may use ${most} ${what} per minute.`, retryAfterMs };
}
