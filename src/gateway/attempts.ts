import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import type { Choice, EngineLink, GatewayDeps } from "./ports.ts";
import type { PlannedCall } from "./relay.ts";

export interface AttemptFailure {
  readonly failure: Failure;
  /** False: the connection was refused, or closed before a status came. */
  readonly answered: boolean;
}

/** The engine answered, and this is what is wrong with it. */
export function answered(failure: Failure): { readonly ok: false; readonly error: AttemptFailure } {
  return err({ failure, answered: true });
}

/** The failures after which another replica may do better. Only ever before the first content. */
function mayRetry(failure: Failure): boolean {
  return failure.kind === "engine_unreachable" || failure.kind === "engine_failed" || failure.kind === "queue_full";
}

/**
 * Runs `once` against one replica after another until one begins to answer. A replica that answered with a failure is
 * not asked again. One where nobody answered is asked once more when it is back: its engine may just have closed an
 * idle connection, or crash and restart; but a request that takes it down twice is not tried a third time.
 */
export async function attempts<T>(
  deps: GatewayDeps,
  account: Account,
  model: string,
  signal: AbortSignal,
  once: (choice: Choice) => Promise<Result<T, AttemptFailure>>,
): Promise<Result<T, Failure>> {
  const tried = new Set<string>();
  const silent = new Set<string>();
  let last: Failure | null = null;
  for (let attempt = 1; attempt <= deps.limits.attempts; attempt += 1) {
    const choice = await deps.replicas.pick(model, tried, signal);
    if (!choice.ok) return err(last ?? choice.error);
    account.chose(choice.value);
    const result = await once(choice.value);
    if (result.ok) return result;
    last = result.error.failure;
    if (signal.aborted || !mayRetry(last)) return err(last);
    const { replica } = choice.value;
    if (!result.error.answered) deps.replicas.suspect(replica);
    if (result.error.answered || silent.has(replica.id)) tried.add(replica.id);
    else silent.add(replica.id);
    deps.log.warn("attempt failed", { request: account.requestId, replica: replica.id, attempt, failure: last.kind });
  }
  return err(last ?? { kind: "engine_failed", engine: "engine", cause: "no attempt was made" });
}

/** Posts the call. An answer with a bad status is read into the failure that it means. */
export async function callEngine(
  link: EngineLink,
  account: Account,
  choice: Choice,
  call: PlannedCall,
  signal: AbortSignal,
): Promise<Result<Response, AttemptFailure>> {
  const reached = await link.fetch(choice.replica, call.path, { body: call.body, signal });
  if (!reached.ok) return err({ failure: signal.aborted ? { kind: "cancelled" } : reached.error, answered: false });
  const response = reached.value;
  account.adjusted = response.headers.get("x-flock-adjusted") ?? "";
  if (response.ok) return ok(response);
  const text = await response.text().catch(() => "");
  const failure = choice.wire.readError(response.status, text.slice(0, 65_536), choice.replica);
  return answered(failure.kind === "engine_unreachable" ? { ...failure, ...link.describe(choice.replica) } : failure);
}
