import type { Failure, LimitName } from "../core/failure.ts";
import { err, ok } from "../core/result.ts";
import type { RateEntry, RateMeter, RateSource } from "./lease-source.ts";
import { type Admission, andThen, type Ask, type Granted, STEP_TOKENS } from "./policies.ts";

const FREE: Admission = ok(null);

/** At most so many requests of a key in any minute. */
export function requestRatePolicy(source: RateSource) {
  return {
    name: "requests per minute",
    admit({ principal: { keyId, limits } }: Ask): Admission | Promise<Admission> {
      const limit = limits.requestsPerMinute;
      if (limit === 0) return FREE;
      const counted = source.requests(keyId).count(limit, 1, 1);
      return andThen(counted, (given): Admission =>
        "entry" in given ? FREE : err(limited("requests_per_minute", limit, given.waitMs)),
      );
    },
  };
}

/**
 * At most so many tokens of a key in any minute: the prompt and a first step of the answer are counted at once, more as
 * it grows, and the end puts it right. An answer that is running is not cut: it makes the next request wait instead.
 */
export function tokenRatePolicy(source: RateSource) {
  return {
    name: "tokens per minute",
    admit({ principal, promptTokensEstimate, maxOutputTokens }: Ask): Admission | Promise<Admission> {
      const limit = principal.limits.tokensPerMinute;
      if (limit === 0) return FREE;
      const meter = source.tokens(principal.keyId);
      const least = Math.max(1, promptTokensEstimate);
      const most = least + Math.min(STEP_TOKENS, maxOutputTokens ?? STEP_TOKENS);
      return andThen(meter.count(limit, least, most), (given): Admission => {
        if (!("entry" in given)) return err(limited("tokens_per_minute", limit, given.waitMs));
        return ok(new CountedAnswer(meter, given.entry, given.units, least));
      });
    },
  };
}

class CountedAnswer implements Granted {
  readonly #meter: RateMeter;
  readonly #entry: RateEntry;
  readonly #first: number;
  readonly #prompt: number;
  #counted: number;
  #over = false;

  constructor(meter: RateMeter, entry: RateEntry, first: number, prompt: number) {
    this.#meter = meter;
    this.#entry = entry;
    this.#first = first;
    this.#prompt = prompt;
    this.#counted = first;
  }

  get idleUntil(): number {
    return this.#counted - this.#prompt;
  }

  extend(outputTokens: number): boolean {
    const missing = this.#prompt + outputTokens - this.#counted;
    if (missing > 0 && !this.#over) {
      // In steps, so that a long answer leaves few entries.
      const step = Math.max(missing, STEP_TOKENS / 8);
      this.#meter.add(step);
      this.#counted += step;
    }
    return true;
  }

  release(usedTokens: number): void {
    if (this.#over) return;
    this.#over = true;
    const more = usedTokens - this.#counted;
    if (more > 0) this.#meter.add(more);
    else this.#meter.takeBack(this.#entry, Math.min(this.#first, -more));
  }
}

function limited(limit: LimitName, most: number, retryAfterMs: number): Failure {
  const [what, flag] = limit === "requests_per_minute" ? ["requests", "--rpm"] : ["tokens", "--tpm"];
  const message = `This key may use ${most} ${what} per minute; an admin can raise it: \`flock token edit <key> ${flag} N\`.`;
  return { kind: "rate_limited", limit, message, retryAfterMs };
}
