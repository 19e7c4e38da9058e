import type { ChatEvent } from "../core/chat-event.ts";

/** Keeps the promise of every decoder: one `done` or `failed` ends an answer, and nothing follows. */
export class OneEnding {
  #over = false;

  get over(): boolean {
    return this.#over;
  }

  pass(from: readonly ChatEvent[], to: ChatEvent[]): void {
    for (const event of from) {
      if (this.#over) return;
      to.push(event);
      this.#over = event.type === "done" || event.type === "failed";
    }
  }
}
