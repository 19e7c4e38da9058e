import type { GatewayDeps } from "./ports.ts";
import type { WholeRelay } from "./relay.ts";

const DEADLINE_MS = 10_000;

/**
 * The engine's own count of a chat's prompt, without generating; null when it cannot tell. Asked only when a quota is so
 * nearly used up that the guess decides: it costs a round trip.
 */
export async function countPrompt(
  deps: GatewayDeps,
  relay: Pick<WholeRelay, "plan">,
  model: string,
  clientSignal: AbortSignal,
): Promise<number | null> {
  const signal = AbortSignal.any([clientSignal, AbortSignal.timeout(DEADLINE_MS)]);
  const choice = deps.replicas.peek(model);
  if (choice === null || choice.wire.countPath === null) return null;
  const call = relay.plan(choice);
  if (!call.ok) return null;
  const { replica, wire } = choice;
  const answer = await deps.link.fetch(replica, wire.countPath ?? "", { body: call.value.body, fresh: false, signal });
  if (!answer.ok || !answer.value.ok) return null;
  const counted: unknown = await answer.value.json().catch(() => null);
  if (typeof counted !== "object" || counted === null || !("input_tokens" in counted)) return null;
  return typeof counted.input_tokens === "number" ? counted.input_tokens : null;
}
