import type { LaunchSpec } from "../engine/driver.ts";
import { isHealthy, type Life } from "./engine-life.ts";
import type { SupervisorTimes } from "./supervisor-times.ts";
import { wait } from "../core/wait.ts";

/** Watches over one life of an engine from the moment in which it is ready. */
export class Vigil {
  readonly #spec: LaunchSpec;
  readonly #life: Life;
  readonly #times: SupervisorTimes;
  readonly #lookers = new Set<(healthy: boolean) => void>();
  #nudge = new AbortController();
  #condemned: string | null = null;

  constructor(spec: LaunchSpec, life: Life, times: SupervisorTimes) {
    this.#spec = spec;
    this.#life = life;
    this.#times = times;
  }

  /** Ends with a text when the engine no longer answers as itself; else only when the signal fires. */
  async untilHung(signal: AbortSignal): Promise<string> {
    const { healthEveryMs, healthAgainMs, healthFailures } = this.#times;
    let failed = 0;
    while (!signal.aborted) {
      if (this.#lookers.size === 0) {
        const pauseMs = failed === 0 ? healthEveryMs : healthAgainMs;
        await wait(pauseMs, AbortSignal.any([signal, this.#nudge.signal]));
      }
      if (signal.aborted) break;
      if (this.#condemned !== null) return this.#condemned;
      this.#nudge = new AbortController();
      const lookers = [...this.#lookers];
      this.#lookers.clear();
      const healthy = await isHealthy(this.#spec, this.#life.record, this.#times.healthTimeoutMs, signal);
      failed = healthy ? 0 : failed + 1;
      for (const tell of lookers) tell(healthy);
      if (failed >= healthFailures) return `did not answer ${failed} health checks in a row`;
    }
    for (const tell of this.#lookers) tell(false);
    return "interrupted";
  }

  /** Looks now, whatever the time of the next look is. False: it does not answer, or its life is over. */
  look(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#lookers.add(resolve);
      this.#nudge.abort();
    });
  }

  /** It answers, but does not do its work: its life ends with this text. */
  condemn(why: string): void {
    this.#condemned = why;
    this.#nudge.abort();
  }
}
