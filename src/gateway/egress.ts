import type { Failure } from "../core/failure.ts";
import type { Principal } from "../core/principal.ts";
import type { Resolved } from "./ports.ts";

/**
 * The one place that lets a request leave the building, or does not. Whoever resolves a name to a vendor says so in
 * `Resolved.vendor`; nothing does yet, and a key that is local-only never will.
 */
export function refuseEgress(principal: Principal | null, { vendor }: Resolved): Failure | null {
  if (vendor === undefined) return null;
  if (principal !== null && !principal.localOnly) return null;
  return {
    kind: "forbidden",
    what: `${vendor}: the key is local-only, and this model is outside`,
    mend: "Ask for a model that is served here (GET /v1/models), or an admin lifts it: `flock token edit <key> --no-local-only`.",
  };
}
