import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { AdmissionPolicy, AdmissionRequest, Grant } from "./ports.ts";

/** Asks each policy in order. The first refusal gives back what was granted before it. */
export function admit(policies: readonly AdmissionPolicy[], request: AdmissionRequest): Result<Grant[], Failure> {
  const grants: Grant[] = [];
  for (const policy of policies) {
    const grant = policy.admit(request);
    if (!grant.ok) {
      for (const granted of grants) granted.release(0);
      return err(grant.error);
    }
    if (grant.value) grants.push(grant.value);
  }
  return ok(grants);
}
