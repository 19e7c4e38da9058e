import { z } from "zod";
import type { EngineAnswer } from "../../core/engine-answer.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { LinkFailure, NodeOperation } from "../link.ts";

/** Of the agent, or with a `code` of the node itself. */
const refusal = z.object({ error: z.object({ message: z.string(), mend: z.string().optional() }) });

/** What a node's agent said to a control call. */
export async function readControlAnswer<Answer>(
  response: EngineAnswer,
  operation: NodeOperation<Answer>,
  signal: AbortSignal,
): Promise<Result<Answer, LinkFailure>> {
  const body: unknown = await response.json().catch(() => null);
  if (signal.aborted) return err(unclear("the node did not answer in time"));
  if (response.ok) {
    const read = operation.read(body);
    return read === null ? err(unclear("the node's answer is not understood")) : ok(read.value);
  }
  const told = refusal.safeParse(body);
  if (!told.success) return err(unclear(`the node answered ${response.status}`));
  const { message, mend } = told.data.error;
  if (response.status === 502) return err({ kind: "node_unreachable", message, mend: mend ?? "flock node ls" });
  const kind = response.status === 404 ? "unknown_engine" : "refused";
  return err({ kind, message, mend: mend ?? "flock node ls" });
}

function unclear(message: string): LinkFailure {
  return { kind: "node_unreachable", message, mend: "flock node ls" };
}
