import type { Failure } from "../core/failure.ts";
import { dataFrame } from "../wire/sse-write.ts";
import { toErrorObject } from "./failure-shape.ts";

/** The last frame of a stream that failed. Without `[DONE]` after it: that would tell the client that the answer is whole. */
export function errorFrame(failure: Failure): string {
  return failure.kind === "cancelled" ? "" : dataFrame(JSON.stringify(toErrorObject("openai", failure, null)));
}
