import type { Account } from "./account.ts";

/** What the answer does with the pieces, and how it is held back. */
export interface FeedHost {
  /** One piece on its way to the client; null: the engine's end. */
  take(bytes: Uint8Array | null): void;
  /** Nothing more is wanted: the answer has ended, or another attempt has begun. */
  readonly over: boolean;
  readonly outputTokens: number;
  pause(): void;
  resume(): void;
  /** The answer may not grow any more. */
  cut(): void;
}

/** No frame that holds a token is shorter. */
const SMALLEST_FRAME = 16;
const NEWLINE = 10;

/** Gives an engine's bytes on as far as they are granted: of many tokens in one piece those above it must not go out. */
export class GrantedFeed {
  readonly #account: Account;
  readonly #host: FeedHost;
  /** Held back until more is granted; null: nothing is asked for. */
  #held: (Uint8Array | null)[] | null = null;

  constructor(account: Account, host: FeedHost) {
    this.#account = account;
    this.#host = host;
  }

  push(bytes: Uint8Array | null): void {
    if (this.#held !== null) this.#held.push(bytes);
    else if (bytes === null || this.#isGranted(bytes)) this.#host.take(bytes);
    else this.#pushLines(bytes);
  }

  /** Another process keeps the limit: what the engine sends meanwhile waits for its answer. */
  ask(may: Promise<boolean>): void {
    this.#held = [];
    this.#host.pause();
    may.then(
      (granted) => this.#answered(granted),
      () => this.#answered(false),
    );
  }

  #answered(granted: boolean): void {
    const held = this.#held ?? [];
    this.#held = null;
    if (this.#host.over) return;
    if (!granted) {
      this.#host.cut();
      return;
    }
    for (const bytes of held) {
      this.push(bytes);
      if (this.#host.over) return;
    }
    if (this.#held === null) this.#host.resume();
  }

  #isGranted(bytes: Uint8Array): boolean {
    if (this.#account.grants.length === 0) return true;
    return (this.#account.grantedTokens - this.#host.outputTokens) * SMALLEST_FRAME > bytes.byteLength;
  }

  #pushLines(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) {
      const end = bytes.indexOf(NEWLINE, at);
      const next = end < 0 ? bytes.byteLength : end + 1;
      this.#host.take(bytes.subarray(at, next));
      at = next;
      if (this.#host.over) return;
      if (this.#held !== null) {
        if (at < bytes.byteLength) this.#held.push(bytes.subarray(at));
        return;
      }
    }
  }
}
