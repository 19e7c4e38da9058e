import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import type { Choice, EngineLink, GatewayDeps } from "./ports.ts";
import type { PlannedCall } from "./relay.ts";
import { RouteRequest } from "./route-request.ts";

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
 * not asked again. One where nobody answered is: at once and on a new connection when the connection broke (the engine
 * may just have closed an idle one), and when it is back where it refused or broke again (it crashed and restarts). A
 * request that finds nobody three times is not tried there a fourth time: it may be what takes the engine down.
 */
export async function attempts<T>(
  deps: GatewayDeps,
  account: Account,
  model: string,
  /** Of the attempt that runs; another one after each that was lost. */
  current: { readonly signal: AbortSignal },
  once: (choice: Choice, fresh: boolean) => Promise<Result<T, AttemptFailure>>,
): Promise<Result<T, Failure>> {
  const ask = new RouteRequest(account, model);
  const tried = new Set<string>();
  const silent = new Map<string, number>();
  let last: Failure | null = null;
  for (let attempt = 1; attempt <= deps.limits.attempts; attempt += 1) {
    const picked = deps.replicas.pick(ask, tried, current.signal);
    const choice = picked instanceof Promise ? await picked : picked;
    if (!choice.ok) return err(last ?? choice.error);
    const { replica, lease } = choice.value;
    if (current.signal.aborted) {
      lease.end(null);
      return err(last ?? { kind: "cancelled" });
    }
    account.chose(choice.value);
    let result: Result<T, AttemptFailure> | null = null;
    try {
      result = await once(choice.value, silent.has(replica.id));
    } finally {
      // One that was given an answer keeps its slot until the account is settled.
      if (result?.ok !== true) lease.end(null);
    }
    if (result.ok) {
      deps.replicas.answered(replica);
      return result;
    }
    last = result.error.failure;
    if (current.signal.aborted || !mayRetry(last)) return err(last);
    const { answered: spoke } = result.error;
    const times = (silent.get(replica.id) ?? 0) + 1;
    if (spoke || times === MOST_SILENT) tried.add(replica.id);
    deps.replicas.failed(replica, last, !spoke && (times > 1 || last.kind === "engine_unreachable"));
    silent.set(replica.id, times);
    deps.log.warn("attempt failed", { request: account.requestId, replica: replica.id, attempt, failure: last.kind });
  }
  return err(last ?? { kind: "engine_failed", engine: "engine", cause: "no attempt was made" });
}

const MOST_SILENT = 3;

/** Posts the call. An answer with a bad status is read into the failure that it means. */
export async function callEngine(
  link: EngineLink,
  account: Account,
  choice: Choice,
  call: PlannedCall,
  fresh: boolean,
  signal: AbortSignal,
): Promise<Result<EngineAnswer, AttemptFailure>> {
  const reached = await link.fetch(choice.replica, call.path, { body: call.body, fresh, signal });
  if (!reached.ok) return err({ failure: signal.aborted ? { kind: "cancelled" } : reached.error, answered: false });
  const response = reached.value;
  const byEngine = response.headers.get("x-flock-adjusted");
  account.adjusted = [...account.adjustedBefore, ...(call.adjusted ?? []), ...(byEngine ? [byEngine] : [])].join("; ");
  if (response.ok) return ok(response);
  const text = await response.text().catch(() => "");
  const failure = choice.wire.readError(response.status, text.slice(0, 65_536), choice.replica);
  const mistake = failure.kind === "engine_failed" ? (call.mistake?.() ?? null) : null;
  if (mistake?.kind === "invalid_request") return answered(mistake);
  return answered(failure.kind === "engine_unreachable" ? { ...failure, ...link.describe(choice.replica) } : failure);
}
