import type { Failure } from "../core/failure.ts";

/** Why a probe failed, in one line for a node's status. */
export function describeFailure(failure: Failure): string {
  switch (failure.kind) {
    case "engine_unreachable":
      return `does not answer at ${failure.endpoint}`;
    case "engine_failed":
      return failure.cause;
    case "engine_timeout":
      return `did not answer within ${failure.waitedMs} ms`;
    case "unauthenticated":
      return `refused the key: ${failure.reason}`;
    default:
      return `answered with ${failure.kind}`;
  }
}
