import type { CancelSignal } from "../core/cancellation.ts";

/** Where a client's hang-up is heard; a `Request` is one. */
export interface Client {
  readonly signal: CancelSignal;
}

/**
 * Hears a client hang up, from its first `tick` on. A request's signal costs more to make than most of what the gateway
 * does for a quick answer, and nobody hangs up on those: it is only asked for when an answer takes its time.
 */
export class HangUp {
  readonly #client: Client;
  readonly #answer: { cancel(): void };
  #heard: (() => void) | null = null;
  #over = false;

  /** `answer`: what is cancelled then. */
  constructor(client: Client, answer: { cancel(): void }) {
    this.#client = client;
    this.#answer = answer;
  }

  /** Call about four times a second while the request runs. */
  tick(): void {
    if (this.#heard !== null || this.#over) return;
    this.#heard = () => this.#answer.cancel();
    const { signal } = this.#client;
    if (signal.aborted) this.#heard();
    else signal.addEventListener("abort", this.#heard, { once: true });
  }

  /** The request is over; nothing is heard any more. */
  close(): void {
    this.#over = true;
    if (this.#heard !== null) this.#client.signal.removeEventListener("abort", this.#heard);
  }
}
