import type { CancelSignal } from "../core/cancellation.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import { err, type Result } from "../core/result.ts";
import type { Account } from "./account.ts";
import type { Choice, Detours, EngineLink, GatewayDeps } from "./ports.ts";
import type { PlannedCall } from "./relay.ts";
import { RouteRequest } from "./route-request.ts";

export interface AttemptFailure {
  readonly failure: Failure;
  /** False: the connection was refused, or closed before a status came. */
  readonly answered: boolean;
}

/** Who makes the attempts of one request. */
export interface Attempting<T> {
  /** Of the attempt that runs; another one after each that was lost. */
  readonly signal: CancelSignal;
  attempt(choice: Choice, fresh: boolean): Promise<Result<T, AttemptFailure>>;
}

/** The engine answered, and this is what is wrong with it. */
export function answered(failure: Failure): { readonly ok: false; readonly error: AttemptFailure } {
  return err({ failure, answered: true });
}

/** The failures after which another replica, or another model, may do better. Only ever before the first content. */
const RETRIED: ReadonlySet<Failure["kind"]> = new Set([
  "engine_unreachable",
  "engine_failed",
  "engine_timeout",
  "queue_full",
]);

/**
 * Runs `attempt` against one replica after another until one begins to answer. A replica that answered with a failure is
 * not asked again. One where nobody answered is: at once and on a new connection when the connection broke (the engine
 * may just have closed an idle one), and when it is back where it refused or broke again (it crashed and restarts). A
 * request that finds nobody three times is not tried there a fourth time: it may be what takes the engine down. Where no
 * replica is left, or the model is too slow, the next model of its chain is asked that can answer the request. All
 * requests together may be tried again only so often.
 */
export async function attempts<T>(
  deps: GatewayDeps,
  account: Account,
  model: string,
  current: Attempting<T>,
): Promise<Result<T, Failure>> {
  const { detours, limits, log, replicas } = deps;
  detours.began();
  const route = new ModelRoute(account, model, detours);
  // Made when something fails: most requests need neither.
  let tried: Set<string> | null = null;
  let silent: Map<string, number> | null = null;
  let last: Failure | null = null;
  for (let attempt = 1; attempt <= limits.attempts; attempt += 1) {
    const picked = replicas.pick(route.ask, tried ?? NONE, current.signal);
    const choice = picked instanceof Promise ? await picked : picked;
    if (!choice.ok) {
      const failure: Failure = last ?? choice.error;
      if (current.signal.aborted || !RETRIED.has(failure.kind) || !route.next(failure)) return err(failure);
      last = failure;
      continue;
    }
    const { replica, lease } = choice.value;
    if (current.signal.aborted) {
      lease.end(null);
      return err(last ?? { kind: "cancelled" });
    }
    account.chose(choice.value);
    let result: Result<T, AttemptFailure> | null = null;
    try {
      result = await current.attempt(choice.value, silent?.has(replica.id) === true);
    } finally {
      // One that was given an answer keeps its slot until the account is settled.
      if (result?.ok !== true) lease.end(null);
    }
    if (result.ok) {
      replicas.answered(replica);
      detours.took(replica.model, performance.now() - account.startedMs);
      return result;
    }
    last = result.error.failure;
    const tooSmall = last.kind === "context_exceeded" && last.promptTokens > replica.contextTokens;
    if (last.kind === "context_exceeded" && tooSmall && last.promptTokens <= replicas.widest(replica.model)) {
      // A guess sent it to a replica that is too small; the engine's count leads to one that is not.
      account.promptTokensEstimate = last.promptTokens;
      tried = new Set(tried).add(replica.id);
      continue;
    }
    if (current.signal.aborted || !RETRIED.has(last.kind)) return err(last);
    const { answered: spoke } = result.error;
    silent ??= new Map();
    tried ??= new Set();
    const times = (silent.get(replica.id) ?? 0) + 1;
    const gone = !spoke && (times > 1 || last.kind === "engine_unreachable");
    // Where another model can answer nobody waits for this engine to come back.
    if (spoke || times === MOST_SILENT || last.kind === "engine_timeout" || (gone && route.hasNext()))
      tried.add(replica.id);
    replicas.failed(replica, last, gone);
    silent.set(replica.id, times);
    log.warn("attempt failed", { request: account.requestId, replica: replica.id, attempt, failure: last.kind });
    // A connection that broke once may just have been idle for too long: that is no sign of an outage.
    if ((spoke || times > 1) && !detours.mayRetry()) return err(last);
  }
  return err(last ?? { kind: "engine_failed", engine: "engine", cause: "no attempt was made" });
}

const MOST_SILENT = 3;
const NONE: ReadonlySet<string> = new Set();
const NOTHING: readonly string[] = [];

/** Which model is asked: the resolved one, then those of its chain. */
class ModelRoute {
  readonly ask: RouteRequest;
  readonly #account: Account;
  readonly #detours: Detours;
  readonly #model: string;
  /** Models that were turned from. */
  #asked: readonly string[] = [];

  constructor(account: Account, model: string, detours: Detours) {
    this.#account = account;
    this.#detours = detours;
    this.#model = model;
    this.ask = new RouteRequest(account, model, this);
    const quicker = detours.quicker(model, this.ask);
    if (quicker === null) return;
    account.detour = `${model} is slow`;
    this.ask.model = quicker;
  }

  /** Where another model could answer nobody waits for an engine that is starting. */
  get patient(): boolean {
    return !this.hasNext();
  }

  /** Is there another model that could answer? */
  hasNext(): boolean {
    return this.#following() !== null;
  }

  /** Turns to the next model; false: there is none. */
  next(failure: Failure): boolean {
    const other = this.#following();
    if (other === null) return false;
    this.#asked = [...this.#asked, this.ask.model];
    this.#account.detour = `fallback from ${this.#model}: ${failure.kind}`;
    this.ask.model = other;
    return true;
  }

  #following(): string | null {
    const asked = new Set([...this.#asked, this.ask.model]);
    // A model that was passed over for its slowness is better than none.
    if (this.ask.model !== this.#model && this.#asked.length === 0) return this.#model;
    return this.#detours.next(this.#model, asked, this.ask);
  }
}

type Called = Result<EngineAnswer, AttemptFailure>;

/** Posts the call. An answer with a bad status is read into the failure that it means. */
export function callEngine(
  link: EngineLink,
  account: Account,
  choice: Choice,
  call: PlannedCall,
  fresh: boolean,
  signal: CancelSignal,
): Promise<Called> {
  const { body, contentType, path } = call;
  return link
    .fetch(choice.replica, path, { body, contentType, fresh, signal })
    .then((reached): Called | Promise<Called> => {
      if (!reached.ok) return err({ failure: signal.aborted ? { kind: "cancelled" } : reached.error, answered: false });
      account.adjusted = adjustedBy(reached.value, account, call);
      return reached.value.ok ? reached : refusal(reached.value, link, choice, call);
    });
}

function adjustedBy(answer: EngineAnswer, { adjustedBefore }: Account, { adjusted = NOTHING }: PlannedCall): string {
  const byEngine = answer.headers.get("x-flock-adjusted");
  if (byEngine === null && adjusted.length === 0 && adjustedBefore.length === 0) return "";
  return [...adjustedBefore, ...adjusted, ...(byEngine ? [byEngine] : [])].join("; ");
}

async function refusal(
  answer: EngineAnswer,
  link: EngineLink,
  { replica, wire }: Choice,
  { client }: PlannedCall,
): Promise<Result<never, AttemptFailure>> {
  const text = await answer.text().catch(() => "");
  const failure = wire.readError(answer.status, text.slice(0, 65_536), replica);
  const mistake = failure.kind === "engine_failed" ? (client?.mistake() ?? null) : null;
  if (mistake?.kind === "invalid_request") return answered(mistake);
  return answered(failure.kind === "engine_unreachable" ? { ...failure, ...link.describe(replica) } : failure);
}
