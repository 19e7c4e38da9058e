import { type CancelSignal, toAbortSignal } from "../core/cancellation.ts";
import type { Failure } from "../core/failure.ts";
import type { GatewayDeps, Resolved } from "./ports.ts";
import type { WholeRelay } from "./relay.ts";

const DEADLINE_MS = 10_000;
/** Prose, code and JSON have more bytes than this in a token, all but lists of digits. */
const LEAST_BYTES_PER_TOKEN = 2;

/** Whether so many bytes can be more tokens than there is room for. */
export function mayNotFit({ contextTokens }: Resolved, bodyBytes: number): boolean {
  return contextTokens !== undefined && bodyBytes > contextTokens * LEAST_BYTES_PER_TOKEN;
}

/**
 * A prompt that does not fit, found before it waits for a slot: agents read the numbers in a real status and shorten it,
 * which they could not do in the middle of a stream. To be asked where `mayNotFit`; otherwise, and where nobody counts,
 * the engine's own refusal says the same.
 */
export async function refuseTooLong(
  deps: GatewayDeps,
  relay: Pick<WholeRelay, "plan">,
  { model, contextTokens = Infinity }: Resolved,
  clientSignal: CancelSignal,
): Promise<Failure | null> {
  const promptTokens = await countPrompt(deps, relay, model, clientSignal);
  if (promptTokens === null || promptTokens < contextTokens) return null;
  return { kind: "context_exceeded", model, promptTokens, contextTokens };
}

/**
 * The engine's own count of a chat's prompt, without generating; null when it cannot tell. Asked only where a guess would
 * decide on a refusal: it costs a round trip.
 */
export async function countPrompt(
  deps: GatewayDeps,
  relay: Pick<WholeRelay, "plan">,
  model: string,
  clientSignal: CancelSignal,
): Promise<number | null> {
  const signal = AbortSignal.any([toAbortSignal(clientSignal), AbortSignal.timeout(DEADLINE_MS)]);
  const choice = deps.replicas.peek(model);
  if (choice === null || choice.wire.countPath === null) return null;
  const call = relay.plan(choice);
  if (!call.ok) return null;
  const { replica, wire } = choice;
  const answer = await deps.link.fetch(replica, wire.countPath ?? "", { body: call.value.body, fresh: false, signal });
  if (!answer.ok || !answer.value.ok) return null;
  const counted: unknown = await answer.value.json().catch(() => null);
  if (wire.readCount) return wire.readCount(counted);
  if (typeof counted !== "object" || counted === null || !("input_tokens" in counted)) return null;
  return typeof counted.input_tokens === "number" ? counted.input_tokens : null;
}
