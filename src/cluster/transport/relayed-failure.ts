import { z } from "zod";
import type { EngineAnswer } from "../../core/engine-answer.ts";
import type { Failure } from "../../core/failure.ts";

/** An answer with this header is not the engine's: the node could not reach it, and the body says why. */
export const FAILURE_HEADER = "x-flock-failure";

/** On a call: "1" asks for a connection to the engine that was not used before. */
export const FRESH_HEADER = "x-flock-fresh";

const relayed = z.union([
  z.strictObject({
    kind: z.literal("engine_unreachable"),
    engine: z.string(),
    endpoint: z.string(),
    start: z.string(),
  }),
  z.strictObject({ kind: z.literal("engine_failed"), engine: z.string(), cause: z.string() }),
]);

/** What a node says instead of an engine's answer. */
export function failureResponse(failure: Failure, engine: string): Response {
  const told =
    failure.kind === "engine_unreachable" || failure.kind === "engine_failed"
      ? failure
      : { kind: "engine_failed" as const, engine, cause: "the call was broken off" };
  return Response.json(told, { status: 502, headers: { [FAILURE_HEADER]: told.kind } });
}

/** Of an answer that carries the header. */
export async function readFailure(response: EngineAnswer, engine: string): Promise<Failure> {
  const read = relayed.safeParse(await response.json().catch(() => null));
  return read.success ? read.data : { kind: "engine_failed", engine, cause: "its node gave an answer that is none" };
}
