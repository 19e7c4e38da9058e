import { Crowd } from "../core/crowd.ts";
import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import type { HealthTimes } from "./health-times.ts";
import type { EngineCheck, EngineDoubt, InFlight, WatchParts } from "./ports.ts";

/** What was picked as a trial and has not begun after this was picked for something else. */
const BEGINS_WITHIN_MS = 2_000;

/** What is known of one replica. */
interface Watched {
  readonly replica: Replica;
  readonly breaker: CircuitBreaker;
  readonly inFlight: Crowd<InFlight>;
  /** Of the engine's life that the breaker speaks of. */
  epoch: number;
  /** Since when its node does not list it; null: it does. */
  goneSinceMs: number | null;
  /** Newest piece of content, at the last look. */
  newestMs: number;
  /** Since when nothing came though something was waited for. */
  quietSinceMs: number;
  strikes: number;
  /** When content last came, or its life began. */
  provenMs: number;
  checkedMs: number;
  checking: boolean;
}

/**
 * Judges replicas by live traffic. It shuts those that fail (a breaker for each), notices engines that hold requests and
 * say nothing, has the agent look at those at once, and gives up what is in flight at an engine that is gone or hangs, so
 * that it can be asked elsewhere.
 */
export class ReplicaWatch {
  readonly #times: HealthTimes;
  readonly #parts: WatchParts;
  readonly #watched = new Map<string, Watched>();
  /** Earlier lives of engines in which something is in flight still. */
  readonly #former = new Set<Watched>();
  /** Ids of those whose breaker is not closed. */
  readonly #shut = new Set<string>();
  readonly #over = new AbortController();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(times: HealthTimes, parts: WatchParts) {
    this.#times = times;
    this.#parts = parts;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.tick(), this.#times.tickMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#over.abort();
  }

  get anyShut(): boolean {
    return this.#shut.size > 0;
  }

  /** 0: it may be used; else when to look again (`monotonicMs`). */
  shutUntilMs(replicaId: string, nowMs: number): number {
    const watched = this.#watched.get(replicaId);
    return watched === undefined ? 0 : watched.breaker.shutUntilMs(nowMs);
  }

  picked(replicaId: string, nowMs: number): void {
    this.#watched.get(replicaId)?.breaker.passed(nowMs + BEGINS_WITHIN_MS);
  }

  /** An attempt begins; the returned function says that it is over, whatever came of it. */
  begin(replica: Replica, attempt: InFlight): () => void {
    const watched = this.#of(replica);
    if (watched.inFlight.size === 0) watched.quietSinceMs = this.#parts.monotonicMs();
    const seat = watched.inFlight.join(attempt);
    const isTrial = !watched.breaker.isClosed;
    if (isTrial) watched.breaker.passed(Number.MAX_SAFE_INTEGER);
    return () => {
      watched.inFlight.leave(seat);
      if (!isTrial) return;
      watched.breaker.undecided();
      this.#parts.wake();
    };
  }

  /** Content came. */
  answered(replica: Replica): void {
    const watched = this.#of(replica);
    watched.provenMs = this.#parts.monotonicMs();
    watched.breaker.succeeded();
    if (this.#shut.delete(replica.id)) this.#parts.wake();
  }

  /** `gone`: nobody answered there, or not twice in a row. */
  failed(replica: Replica, failure: Failure, gone: boolean): void {
    const watched = this.#of(replica);
    const nowMs = this.#parts.monotonicMs();
    if (gone) watched.breaker.trip(nowMs);
    else if (isItsFault(failure)) watched.breaker.failed(nowMs);
    else return;
    this.#note(watched);
    this.#check(watched, { reason: `a request there ended as ${failure.kind}`, strikes: 0 }, nowMs, false);
  }

  /** What the nodes tell. A new life of an engine starts with a clean record. */
  update(replicas: readonly Replica[], epochOf: (replica: Replica) => number): void {
    const live = new Set(replicas.map(({ id }) => id));
    const nowMs = this.#parts.monotonicMs();
    for (const [id, watched] of this.#watched) {
      watched.goneSinceMs = live.has(id) ? null : (watched.goneSinceMs ?? nowMs);
      if (watched.goneSinceMs === null || watched.inFlight.size > 0) continue;
      this.#watched.delete(id);
      this.#shut.delete(id);
    }
    for (const replica of replicas) {
      const epoch = epochOf(replica);
      const known = this.#watched.get(replica.id);
      if (known !== undefined && known.epoch === epoch) continue;
      if (known !== undefined && known.inFlight.size > 0) {
        known.goneSinceMs ??= nowMs;
        this.#former.add(known);
      }
      this.#watched.set(replica.id, this.#fresh(replica, epoch));
      this.#shut.delete(replica.id);
    }
  }

  /** Replicas that nobody uses, with the time of the last proof that they answer. */
  idle(): { readonly replica: Replica; readonly provenMs: number; readonly doubted: boolean }[] {
    return [...this.#watched.values()]
      .filter(({ goneSinceMs, inFlight }) => goneSinceMs === null && inFlight.size === 0)
      .map(({ replica, provenMs, breaker }) => ({ replica, provenMs, doubted: !breaker.isClosed }));
  }

  tick(): void {
    const nowMs = this.#parts.monotonicMs();
    for (const watched of this.#watched.values()) this.#look(watched, nowMs);
    for (const watched of this.#former) {
      this.#look(watched, nowMs);
      if (watched.inFlight.size === 0) this.#former.delete(watched);
    }
  }

  #look(watched: Watched, nowMs: number): void {
    const { inFlight, replica } = watched;
    if (watched.goneSinceMs !== null) {
      // Not at once: what streams on although its node did not hear of the engine for a moment is well.
      const { goneSilentMs } = this.#times;
      if (nowMs - watched.goneSinceMs < goneSilentMs) return;
      for (const attempt of inFlight) {
        if (attempt.awaitsEngine && nowMs - attempt.lastByteMs >= goneSilentMs)
          this.#lose(attempt, replica, "it does not answer any more");
      }
      return;
    }
    const newest = newestContent(watched);
    if (newest === null) {
      watched.quietSinceMs = nowMs;
      return;
    }
    if (newest > watched.newestMs) {
      watched.newestMs = newest;
      this.#heard(watched, nowMs);
      return;
    }
    const silentMs = nowMs - watched.quietSinceMs;
    if (silentMs < this.#times.doubtMs || nowMs - watched.checkedMs < this.#times.doubtMs) return;
    const seconds = Math.round(silentMs / 1_000);
    const reason = `${inFlight.size} in flight and nothing came for ${seconds} s`;
    this.#check(watched, { reason, strikes: 0 }, nowMs, true);
  }

  #heard(watched: Watched, nowMs: number): void {
    watched.quietSinceMs = nowMs;
    watched.strikes = 0;
  }

  /** `silent`: that it holds requests and says nothing is the doubt, and the answer is judged. */
  #check(watched: Watched, doubt: EngineDoubt, nowMs: number, silent: boolean): void {
    if (watched.checking || nowMs - watched.checkedMs < this.#times.checkPauseMs) return;
    watched.checking = true;
    watched.checkedMs = nowMs;
    void this.#parts.check(watched.replica, doubt, this.#over.signal).then((found) => {
      watched.checking = false;
      if (silent && found !== null && !this.#over.signal.aborted) this.#judge(watched, found);
    });
  }

  #judge(watched: Watched, { healthy, progressing }: EngineCheck): void {
    const nowMs = this.#parts.monotonicMs();
    const newest = newestContent(watched);
    // Meanwhile something came, or the node told that the engine's life is over.
    if (watched.goneSinceMs !== null || newest === null || newest > watched.newestMs) return;
    if (healthy && progressing === true) return this.#heard(watched, nowMs);
    if (!healthy) return this.#shutOut(watched, "it does not answer its health check", nowMs);
    // An answer in one piece is silent by nature: only an engine that shows its work can be judged by it.
    if (progressing === null && ![...watched.inFlight].some(({ streams }) => streams)) return;
    const silentMs = nowMs - watched.quietSinceMs;
    const limitMs = progressing === null ? this.#times.blindNoTokenMs : this.#times.noTokenMs;
    if (silentMs < limitMs) return;
    watched.strikes += 1;
    watched.quietSinceMs = nowMs;
    const why = `it gave no token for ${Math.round(silentMs / 1_000)} s with ${watched.inFlight.size} in flight`;
    this.#shutOut(watched, why, nowMs);
    // Each strike is told: an engine that Flock started is restarted after the last one.
    void this.#parts.check(watched.replica, { reason: why, strikes: watched.strikes }, this.#over.signal);
    if (watched.strikes < this.#times.failures) return;
    for (const attempt of watched.inFlight) this.#lose(attempt, watched.replica, why);
  }

  /** Whatever waits for its first content goes elsewhere, if there is an elsewhere; what runs is left to the agent. */
  #shutOut(watched: Watched, why: string, nowMs: number): void {
    watched.breaker.trip(nowMs);
    this.#note(watched);
    this.#parts.log("a replica is shut", { replica: watched.replica.id, why });
    if (!this.#parts.hasOther(watched.replica)) return;
    for (const attempt of watched.inFlight) {
      if (attempt.awaitsEngine && !attempt.contentSeen) this.#lose(attempt, watched.replica, why);
    }
  }

  #note({ breaker, replica }: Watched): void {
    if (breaker.isClosed) return;
    this.#shut.add(replica.id);
    this.#parts.wake();
  }

  #lose(attempt: InFlight, replica: Replica, why: string): void {
    attempt.lost({ kind: "engine_failed", engine: replica.engine, cause: `it was given up: ${why}` });
  }

  #of(replica: Replica): Watched {
    const known = this.#watched.get(replica.id);
    if (known !== undefined) return known;
    const watched = this.#fresh(replica, 0);
    this.#watched.set(replica.id, watched);
    return watched;
  }

  #fresh(replica: Replica, epoch: number): Watched {
    const nowMs = this.#parts.monotonicMs();
    return {
      replica,
      breaker: new CircuitBreaker(this.#times),
      inFlight: new Crowd(),
      epoch,
      goneSinceMs: null,
      newestMs: 0,
      quietSinceMs: nowMs,
      strikes: 0,
      provenMs: nowMs,
      checkedMs: -Infinity,
      checking: false,
    };
  }
}

/** When content last came while it was waited for; null: nobody waits for this engine. */
function newestContent({ inFlight, provenMs }: Watched): number | null {
  let newest: number | null = null;
  for (const attempt of inFlight) {
    if (!attempt.awaitsEngine) continue;
    newest = Math.max(newest ?? provenMs, attempt.contentSeen ? attempt.lastByteMs : 0);
  }
  return newest;
}

/** What says something of the replica and not of the request. */
function isItsFault({ kind }: Failure): boolean {
  return kind === "engine_failed" || kind === "engine_timeout" || kind === "engine_unreachable";
}
