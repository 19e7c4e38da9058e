import type { CancelSignal } from "./cancellation.ts";

/** A request whose body is in memory, from a server that does not speak in `Request`s. */
export interface BufferedRequest {
  readonly headers: { get(name: string): string | null };
  /** `stalled`: it stopped arriving. */
  readonly buffered: Uint8Array | "stalled";
  /** Aborts when the client is gone. Made when it is first asked for, which most requests never do. */
  readonly signal: CancelSignal;
}

/** Never rejects. */
export type BufferedHandler<Reply> = (request: BufferedRequest) => Promise<Reply>;
