import type { Failure } from "../core/failure.ts";
import { type KeyLimits, UNLIMITED } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Admission, AdmissionPolicy, AdmissionRequest, Grant } from "./ports.ts";

const NO_LIMIT: Admission = ok(null);

type Admitted = Result<Grant[], Failure>;

/** Most keys have no limits. */
export function isUnlimited(limits: KeyLimits): boolean {
  if (limits === UNLIMITED) return true;
  const { dailyTokens, requestsPerMinute, tokensPerMinute, concurrency } = limits;
  return dailyTokens === 0 && requestsPerMinute === 0 && tokensPerMinute === 0 && concurrency === 0;
}

/**
 * Asks each policy in order. The first refusal gives back what was granted before it. A promise only where a policy must
 * ask elsewhere.
 */
export function admit(policies: readonly AdmissionPolicy[], request: AdmissionRequest): Admitted | Promise<Admitted> {
  const grants: Grant[] = [];
  for (let at = 0; at < policies.length; at += 1) {
    const answer = policies[at]?.admit(request) ?? NO_LIMIT;
    if (answer instanceof Promise) return admitRest(policies, at, answer, grants, request);
    const refused = add(grants, answer);
    if (refused) return err(refused);
  }
  return ok(grants);
}

async function admitRest(
  policies: readonly AdmissionPolicy[],
  at: number,
  pending: Promise<Admission>,
  grants: Grant[],
  request: AdmissionRequest,
): Promise<Admitted> {
  const refused = add(grants, await pending);
  if (refused) return err(refused);
  for (const policy of policies.slice(at + 1)) {
    const more = add(grants, await policy.admit(request));
    if (more) return err(more);
  }
  return ok(grants);
}

function add(grants: Grant[], answer: Admission): Failure | null {
  if (!answer.ok) {
    for (const granted of grants) granted.release(0);
    return answer.error;
  }
  if (answer.value) grants.push(answer.value);
  return null;
}
