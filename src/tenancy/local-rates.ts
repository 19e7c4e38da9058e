import type { Clock } from "../core/clock.ts";
import type { RateMeter, RateSource } from "./lease-source.ts";
import { RateWindow } from "./rate-window.ts";

/** The last minute of every key that has such a limit, where this process alone counts. */
export class LocalRates implements RateSource {
  readonly #requests: Windows;
  readonly #tokens: Windows;

  constructor(clock: Clock) {
    this.#requests = new Windows(clock);
    this.#tokens = new Windows(clock);
  }

  requests(keyId: string): RateMeter {
    return this.#requests.of(keyId);
  }

  tokens(keyId: string): RateMeter {
    return this.#tokens.of(keyId);
  }
}

/** A key that falls silent is forgotten when others come. */
class Windows {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, RateWindow>();
  #sweepAt = 1024;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(keyId: string): RateWindow {
    const known = this.#byKey.get(keyId);
    if (known) return known;
    if (this.#byKey.size >= this.#sweepAt) {
      for (const [id, window] of this.#byKey) if (window.idle) this.#byKey.delete(id);
      this.#sweepAt = Math.max(1024, this.#byKey.size * 2);
    }
    const window = new RateWindow(this.#clock);
    this.#byKey.set(keyId, window);
    return window;
  }
}
