import { type Clock, utcDayStart } from "../core/clock.ts";
import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";

const DAY_MS = 86_400_000;
/** When only requests that are running stand in the way, which give back what they do not use. */
const BUSY_RETRY_MS = 1000;

/** Tokens set aside for one request, on the day it arrived. */
export interface Reservation {
  /** Sets `tokens` more aside; false, and nothing changed, when the day's limit does not allow it. */
  extend(tokens: number): boolean;
  /** Replaces what was set aside by what was used. Only the first call counts: call it on every way out. */
  settle(actualTokens: number): void;
}

/** One key's tokens of one UTC day. A reservation keeps its day's account: what it settles later is that day's. */
interface Account {
  used: number;
  reserved: number;
}

const UNLIMITED_RESERVATION: Reservation = { extend: () => true, settle: () => {} };
const UNLIMITED_ENTRY = ok((): void => {});

/**
 * Daily quotas and concurrency of all keys, in memory. Used plus reserved never exceeds a limit, so a key cannot be
 * overspent as long as nobody settles more than was reserved.
 */
export class DailyLedger {
  readonly #clock: Clock;
  readonly #inFlight = new Map<string, number>();
  #day: number;
  #accounts = new Map<string, Account>();

  /** `used`: tokens by key of the current UTC day, from the store. */
  constructor(clock: Clock, used: ReadonlyMap<string, number>) {
    this.#clock = clock;
    this.#day = utcDayStart(clock.now());
    for (const [keyId, tokens] of used) this.#accounts.set(keyId, { used: tokens, reserved: 0 });
  }

  /** Sets tokens aside. `limit` 0 is unlimited, and keeps no account. */
  reserve(keyId: string, limit: number, tokens: number): Result<Reservation, Failure> {
    if (limit === 0) return ok(UNLIMITED_RESERVATION);
    const account = this.#account(keyId);
    if (account.used + account.reserved + tokens > limit) return err(this.#exceeded(account, limit, tokens));
    return ok(new AccountReservation(account, limit, tokens));
  }

  /** Counts one request in; call what it gives exactly when the request ends (again is harmless). `limit` 0: unlimited. */
  enter(keyId: string, limit: number): Result<() => void, Failure> {
    if (limit === 0) return UNLIMITED_ENTRY;
    const running = this.#inFlight.get(keyId) ?? 0;
    if (running >= limit) {
      return err({
        kind: "rate_limited",
        limit: "concurrency",
        message: `this key may have ${limit} requests in flight at once; wait for one to end`,
        retryAfterMs: BUSY_RETRY_MS,
      });
    }
    this.#inFlight.set(keyId, running + 1);
    let left = false;
    return ok(() => {
      if (left) return;
      left = true;
      const now = (this.#inFlight.get(keyId) ?? 1) - 1;
      if (now === 0) this.#inFlight.delete(keyId);
      else this.#inFlight.set(keyId, now);
    });
  }

  /** What a key with a limit has used and set aside today. */
  today(keyId: string): { readonly used: number; readonly reserved: number } {
    const { used, reserved } = this.#account(keyId);
    return { used, reserved };
  }

  #account(keyId: string): Account {
    const day = utcDayStart(this.#clock.now());
    // Forward only: a clock that is set back over midnight must not hand out the day's tokens again.
    if (day > this.#day) {
      this.#day = day;
      this.#accounts = new Map();
    }
    let account = this.#accounts.get(keyId);
    if (account === undefined) this.#accounts.set(keyId, (account = { used: 0, reserved: 0 }));
    return account;
  }

  #exceeded(account: Account, limit: number, tokens: number): Failure {
    const onlyBusy = account.used + tokens <= limit;
    return {
      kind: "quota_exceeded",
      limitTokens: limit,
      usedTokens: account.used,
      retryAfterMs: onlyBusy ? BUSY_RETRY_MS : this.#day + DAY_MS - this.#clock.now(),
    };
  }
}

class AccountReservation implements Reservation {
  readonly #account: Account;
  readonly #limit: number;
  #reserved: number;
  #settled = false;

  constructor(account: Account, limit: number, tokens: number) {
    this.#account = account;
    this.#limit = limit;
    this.#reserved = tokens;
    account.reserved += tokens;
  }

  extend(tokens: number): boolean {
    const { used, reserved } = this.#account;
    if (this.#settled || used + reserved + tokens > this.#limit) return false;
    this.#reserved += tokens;
    this.#account.reserved += tokens;
    return true;
  }

  settle(actualTokens: number): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#account.reserved -= this.#reserved;
    this.#account.used += actualTokens;
  }
}
