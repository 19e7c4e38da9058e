import type { Clock } from "../core/clock.ts";
import type { LeaseSource, RateSource } from "./lease-source.ts";
import { concurrencyPolicy, dailyQuotaPolicy } from "./policies.ts";
import { requestRatePolicy, tokenRatePolicy } from "./rate-policies.ts";
import { limitReport } from "./standings.ts";

/** Every limit of keys: what admits requests, and what tells clients how they stand. */
export function keyLimits(leases: LeaseSource, rates: RateSource, clock: Clock) {
  return {
    // What can be given back comes first: a request that is refused is not one of its minute's.
    policies: [
      concurrencyPolicy(leases),
      dailyQuotaPolicy(leases, clock),
      tokenRatePolicy(rates),
      requestRatePolicy(rates),
    ],
    standings: limitReport(leases, rates, clock),
  };
}
