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
  /** What was granted, and up to where nobody need be asked, when last looked at. */
  #granted = 0;
  #idleUntil = 0;

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

  /** Whether so many bytes may go on as one piece, now; `outputTokens` went before. */
  mayPass(bytes: number, outputTokens: number): boolean {
    return this.#held === null && this.#fits(bytes, outputTokens);
  }

  /** The answer has so many tokens now. False: it may not grow any more. */
  passed(outputTokens: number): boolean {
    if (outputTokens < this.#idleUntil) return true;
    const may = this.#account.extend(outputTokens);
    this.#idleUntil = this.#account.idleUntil;
    if (may instanceof Promise) this.ask(may);
    return may !== false;
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

  #fits(bytes: number, outputTokens: number): boolean {
    if ((this.#granted - outputTokens) * SMALLEST_FRAME > bytes) return true;
    // Grants only grow while an answer runs.
    this.#granted = this.#account.grantedTokens;
    return (this.#granted - outputTokens) * SMALLEST_FRAME > bytes;
  }

  #isGranted(bytes: Uint8Array): boolean {
    if (this.#account.grants.length === 0) return true;
    return this.#fits(bytes.byteLength, this.#host.outputTokens);
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
