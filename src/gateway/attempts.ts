import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import type { Choice, EngineLink, GatewayDeps } from "./ports.ts";
import type { PlannedCall } from "./relay.ts";

/** The failures after which another replica may do better. Only ever before the first content. */
function mayRetry(failure: Failure): boolean {
  return failure.kind === "engine_unreachable" || failure.kind === "engine_failed" || failure.kind === "queue_full";
}

/**
 * Runs `once` against one replica after another until one begins to answer. A replica that failed is not asked again,
 * except once after a call that nobody answered at all: its engine may just have closed an idle connection, or be
 * coming back from a crash.
 */
export async function attempts<T>(
  deps: GatewayDeps,
  account: Account,
  model: string,
  signal: AbortSignal,
  once: (choice: Choice) => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> {
  const tried = new Set<string>();
  const unanswered = new Set<string>();
  let last: Failure | null = null;
  for (let attempt = 1; attempt <= deps.limits.attempts; attempt += 1) {
    const choice = await deps.replicas.pick(model, tried, signal);
    if (!choice.ok) return err(last ?? choice.error);
    account.chose(choice.value);
    const result = await once(choice.value);
    if (result.ok) return result;
    last = result.error;
    if (signal.aborted || !mayRetry(last)) return result;
    const id = choice.value.replica.id;
    if (last.kind === "engine_unreachable" && !unanswered.has(id)) unanswered.add(id);
    else tried.add(id);
    deps.log.warn("attempt failed", { request: account.requestId, replica: id, attempt, failure: last.kind });
  }
  return err(last ?? { kind: "engine_failed", engine: "engine", cause: "no attempt was made" });
}

/** Posts the call. An answer with a bad status is read into the failure that it means. */
export async function callEngine(
  link: EngineLink,
  choice: Choice,
  call: PlannedCall,
  signal: AbortSignal,
): Promise<Result<Response, Failure>> {
  const answered = await link.fetch(choice.replica, call.path, { body: call.body, signal });
  if (!answered.ok) return signal.aborted ? err({ kind: "cancelled" }) : answered;
  const response = answered.value;
  if (response.ok) return ok(response);
  const text = await response.text().catch(() => "");
  const failure = choice.wire.readError(response.status, text.slice(0, 65_536), choice.replica);
  return err(failure.kind === "engine_unreachable" ? { ...failure, ...link.describe(choice.replica) } : failure);
}
