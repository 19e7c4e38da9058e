import type { CancelSignal } from "./cancellation.ts";

/** A request whose body is in memory, from a server that does not speak in `Request`s. */
export interface BufferedRequest {
  readonly headers: { get(name: string): string | null };
  /** The same object for requests that present the same key, if only those that follow each other on a connection. */
  readonly sender: object;
  /** The body, once: whoever takes it decides how long it is kept. `stalled`: it stopped arriving. */
  takeBody(): Uint8Array | "stalled";
  /** Aborts when the client is gone. Made when it is first asked for, which most requests never do. */
  readonly signal: CancelSignal;
}

/** Never rejects. */
export type BufferedHandler<Reply> = (request: BufferedRequest) => Promise<Reply>;
