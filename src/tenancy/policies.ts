import { type Clock, utcDayStart } from "../core/clock.ts";
import type { Failure } from "../core/failure.ts";
import type { Principal } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Allowance, LeaseSource } from "./lease-source.ts";

/** What a policy is told of a request. */
export interface Ask {
  readonly principal: Principal;
  readonly promptTokensEstimate: number;
  /** The client's own limit; null: none. */
  readonly maxOutputTokens: number | null;
  /** All of `maxOutputTokens` now, or a refusal. */
  readonly allAtOnce?: boolean;
}

export interface Granted {
  extend(outputTokens: number): boolean | Promise<boolean>;
  granted?(): number;
  readonly idleUntil?: number;
  release(usedTokens: number): void;
}

export type Admission = Result<Granted | null, Failure>;

/** Set aside for an answer at first, and at most each time it outgrows what it has. */
export const STEP_TOKENS = 1024;
/** Near the end of the day's tokens a step is a quarter of what is left, but no less than this. */
const SMALLEST_STEP = 16;
/** What is set aside in one piece is at most this part of what is left, so that the key's other requests have room. */
const LARGEST_SHARE = 1 / 8;
/** When only requests that are running stand in the way, which give back what they do not use. */
const BUSY_RETRY_MS = 1000;
const DAY_MS = 86_400_000;

const FREE: Admission = ok(null);

/** At most so many requests of a key in flight. */
export function concurrencyPolicy(source: LeaseSource) {
  return {
    name: "concurrency",
    admit({ principal }: Ask): Admission | Promise<Admission> {
      const { keyId, limits } = principal;
      const limit = limits.concurrency;
      if (limit === 0) return FREE;
      const slots = source.slots(keyId);
      return andThen(slots.take(limit, 1, 1), (got): Admission => {
        if (got !== null) return ok(new Slot(slots));
        if (slots.standing().away) return err(unknown("concurrency"));
        const raise = "an admin can raise it: `flock token edit <key> --concurrency N`";
        const message = `This key may have ${limit} requests in flight at once; wait for one to end, or ${raise}.`;
        return err({ kind: "rate_limited", limit: "concurrency", message, retryAfterMs: BUSY_RETRY_MS });
      });
    },
  };
}

class Slot implements Granted {
  #slots: Allowance | null;

  constructor(slots: Allowance) {
    this.#slots = slots;
  }

  readonly idleUntil = Infinity;

  extend(): boolean {
    return true;
  }

  release(): void {
    this.#slots?.settle(1, 0);
    this.#slots = null;
  }
}

/**
 * The daily token quota of a key. Prompt and a first step of the answer are set aside at once, the rest as the answer
 * grows: what is not there any more ends the answer instead of overspending, and a long answer that never comes does
 * not starve the key's other requests.
 */
export function dailyQuotaPolicy(source: LeaseSource, clock: Clock) {
  return {
    name: "daily tokens",
    admit({ principal, promptTokensEstimate, maxOutputTokens, allAtOnce }: Ask): Admission | Promise<Admission> {
      const { keyId, limits } = principal;
      const limit = limits.dailyTokens;
      if (limit === 0) return FREE;
      const day = source.tokensOfDay(keyId);
      // An answer needs room for one token; where none is asked for, the prompt is all.
      const prompt = Math.max(1, promptTokensEstimate);
      const all = prompt + (maxOutputTokens ?? 0);
      const { used, held } = day.standing();
      if (allAtOnce === true && all > (limit - used - held) * LARGEST_SHARE) {
        return err(exceeded(day, limit, all, clock));
      }
      const least = allAtOnce === true ? all : prompt + (maxOutputTokens === 0 ? 0 : 1);
      const step = stepOf(limit - used - held - prompt);
      const most = allAtOnce === true ? all : prompt + Math.min(step, maxOutputTokens ?? step);
      return andThen(day.take(limit, least, most), (got): Admission => {
        if (got !== null) return ok(new GrowingAnswer(day, limit, prompt, got));
        return err(exceeded(day, limit, least, clock));
      });
    },
  };
}

class GrowingAnswer implements Granted {
  readonly #day: Allowance;
  readonly #limit: number;
  readonly #prompt: number;
  #held: number;
  #over = false;

  constructor(day: Allowance, limit: number, prompt: number, held: number) {
    this.#day = day;
    this.#limit = limit;
    this.#prompt = prompt;
    this.#held = held;
  }

  granted(): number {
    return this.#held - this.#prompt;
  }

  get idleUntil(): number {
    return this.granted();
  }

  extend(outputTokens: number): boolean | Promise<boolean> {
    // One token ahead of the answer: the next piece must have its place already.
    while (this.#prompt + outputTokens >= this.#held) {
      if (this.#over) return false;
      const { used, held } = this.#day.standing();
      const got = this.#day.take(this.#limit, 1, stepOf(this.#limit - used - held));
      if (got instanceof Promise) return got.then((units) => this.#grow(units) && this.extend(outputTokens));
      if (!this.#grow(got)) return false;
    }
    return true;
  }

  release(usedTokens: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#day.settle(this.#held, usedTokens);
  }

  #grow(units: number | null): boolean {
    if (units === null) return false;
    if (this.#over) {
      // The answer ended while this was on its way.
      this.#day.settle(units, 0);
      return false;
    }
    this.#held += units;
    return true;
  }
}

/** Near the end of the day's tokens one answer must not take all that is left. */
function stepOf(room: number): number {
  return Math.max(SMALLEST_STEP, Math.min(STEP_TOKENS, Math.floor(room / 4)));
}

function exceeded(day: Allowance, limit: number, wanted: number, clock: Clock): Failure {
  const { used, away } = day.standing();
  if (away) return unknown("daily_tokens");
  const now = clock.now();
  const busy = used + wanted <= limit;
  const retryAfterMs = busy ? BUSY_RETRY_MS : utcDayStart(now) + DAY_MS - now;
  const what = { kind: "quota_exceeded", limitTokens: limit, usedTokens: used, neededTokens: wanted } as const;
  return busy ? { ...what, busy, retryAfterMs } : { ...what, retryAfterMs };
}

/** Better no answer than one that a spent limit would have refused. */
function unknown(limit: "daily_tokens" | "concurrency"): Failure {
  const message = "How much of this key's limit is left cannot be known: the database that keeps it does not answer.";
  return { kind: "rate_limited", limit, message, retryAfterMs: BUSY_RETRY_MS };
}

/** Without a promise where there is none: most requests are decided at once. */
export function andThen<T, U>(value: T | Promise<T>, decide: (value: T) => U): U | Promise<U> {
  return value instanceof Promise ? value.then(decide) : decide(value);
}
