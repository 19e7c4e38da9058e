import type { Failure } from "../core/failure.ts";
import type { Principal } from "../core/principal.ts";
import { ok, type Result } from "../core/result.ts";
import type { DailyLedger, Reservation } from "./ledger.ts";

/** What a policy is told of a request. */
export interface Ask {
  readonly principal: Principal;
  readonly promptTokensEstimate: number;
  /** The client's own limit; null: none. */
  readonly maxOutputTokens: number | null;
  /** All of `maxOutputTokens` now, or a refusal. */
  readonly allAtOnce?: boolean;
}

export interface Granted {
  extend(outputTokens: number): boolean;
  release(usedTokens: number): void;
}

/** Set aside for an answer at first, and each time it outgrows what it has. */
const STEP_TOKENS = 1024;
/** What is set aside in one piece is at most this part of what is left, so that the key's other requests have room. */
const LARGEST_SHARE = 1 / 8;

/** At most so many requests of a key in flight. */
export function concurrencyPolicy(ledger: DailyLedger) {
  return {
    name: "concurrency",
    admit({ principal }: Ask): Result<Granted | null, Failure> {
      const { keyId, limits } = principal;
      if (limits.concurrency === 0) return ok(null);
      const entered = ledger.enter(keyId, limits.concurrency);
      if (!entered.ok) return entered;
      return ok({ extend: () => true, release: entered.value });
    },
  };
}

/**
 * The daily token quota of a key. Prompt and a first step of the answer are set aside at once, the rest as the answer
 * grows: what is not there any more ends the answer instead of overspending, and a long answer that never comes does
 * not starve the key's other requests.
 */
export function dailyQuotaPolicy(ledger: DailyLedger) {
  return {
    name: "daily tokens",
    admit({ principal, promptTokensEstimate, maxOutputTokens, allAtOnce }: Ask): Result<Granted | null, Failure> {
      const { keyId, limits } = principal;
      const limit = limits.dailyTokens;
      if (limit === 0) return ok(null);
      const { used, reserved } = ledger.today(keyId);
      if (allAtOnce === true) {
        const all = promptTokensEstimate + (maxOutputTokens ?? 0);
        const fits = all <= (limit - used - reserved) * LARGEST_SHARE;
        const whole = ledger.reserve(keyId, limit, fits ? all : limit + 1);
        return whole.ok ? ok(growing(whole.value, maxOutputTokens ?? 0)) : whole;
      }
      const room = limit - used - reserved - promptTokensEstimate;
      const wanted = Math.min(STEP_TOKENS, maxOutputTokens ?? STEP_TOKENS);
      // Near the end of the day's tokens a short answer is better than none, but it needs room for one token.
      const first = maxOutputTokens === 0 ? 0 : Math.max(1, Math.min(wanted, room));
      const reservation = ledger.reserve(keyId, limit, promptTokensEstimate + first);
      if (!reservation.ok) return reservation;
      return ok(growing(reservation.value, first));
    },
  };
}

function growing(reservation: Reservation, first: number): Granted {
  let held = first;
  return {
    extend(outputTokens) {
      while (outputTokens >= held) {
        const step = [STEP_TOKENS, 128, 16, 1].find((tokens) => reservation.extend(tokens));
        if (step === undefined) return false;
        held += step;
      }
      return true;
    },
    release(usedTokens) {
      reservation.settle(usedTokens);
    },
  };
}
