import { type Clock, utcDayStart } from "../core/clock.ts";
import type { LimitStanding, LimitStandings } from "../core/limit-standing.ts";
import type { Principal } from "../core/principal.ts";
import type { LeaseSource, RateMeter, RateSource } from "./lease-source.ts";

const DAY_MS = 86_400_000;

/** How keys stand with their limits, as this process knows it: what clients read in the headers of their answers. */
export function limitReport(leases: LeaseSource, rates: RateSource, clock: Clock) {
  return {
    of({ keyId, limits }: Principal): LimitStandings {
      const requests =
        limits.requestsPerMinute === 0 ? null : ofMinute(limits.requestsPerMinute, rates.requests(keyId));
      const minute = limits.tokensPerMinute === 0 ? null : ofMinute(limits.tokensPerMinute, rates.tokens(keyId));
      const day = limits.dailyTokens === 0 ? null : ofDay(limits.dailyTokens, keyId);
      // Clients know one limit on tokens: they are told of the one that they will meet first.
      if (minute === null || day === null) return { requests, tokens: minute ?? day };
      return { requests, tokens: day.remaining < minute.remaining ? day : minute };
    },
  };

  function ofDay(limit: number, keyId: string): LimitStanding {
    const { used, held } = leases.tokensOfDay(keyId).standing();
    const now = clock.now();
    return { limit, remaining: Math.max(0, limit - used - held), resetMs: utcDayStart(now) + DAY_MS - now };
  }
}

function ofMinute(limit: number, meter: RateMeter): LimitStanding {
  const { sum, emptyInMs } = meter.standing();
  return { limit, remaining: Math.max(0, limit - sum), resetMs: emptyInMs };
}
