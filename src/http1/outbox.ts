import type { Socket } from "bun";

/** Small messages are put together here and go out in one write; nothing is allocated for them. */
const SCRATCH = Buffer.allocUnsafeSlow(64 * 1024);

/** Writes to a socket what it has room for, and keeps the rest in order. */
export class Outbox {
  readonly #socket: Pick<Socket, "write">;
  #unsent: Uint8Array[] = [];

  constructor(socket: Pick<Socket, "write">) {
    this.#socket = socket;
  }

  /** False: some of it waits for `drain`. */
  send(bytes: Uint8Array): boolean {
    if (this.#unsent.length === 0) {
      const sent = this.#socket.write(bytes);
      // Below zero: the connection is gone, and its `close` follows.
      if (sent < 0 || sent >= bytes.length) return true;
      this.#unsent.push(bytes.subarray(sent));
    } else this.#unsent.push(bytes);
    return false;
  }

  /** The same for a head (Latin-1), a body and what follows it. */
  sendAll(head: string, body: Uint8Array | string, tail: Uint8Array | null = null): boolean {
    const bodyBytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const length = head.length + bodyBytes + (tail?.length ?? 0);
    const small = length <= SCRATCH.length && this.#unsent.length === 0;
    const all = small ? SCRATCH : Buffer.allocUnsafe(length);
    all.write(head, 0, "latin1");
    if (typeof body === "string") all.write(body, head.length, "utf8");
    else all.set(body, head.length);
    if (tail !== null) all.set(tail, head.length + bodyBytes);
    if (!small) return this.send(all);
    const sent = this.#socket.write(all, 0, length);
    if (sent < 0 || sent >= length) return true;
    this.#unsent.push(Buffer.from(all.subarray(sent, length)));
    return false;
  }

  /** True: nothing waits any more. */
  drain(): boolean {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const bytes of unsent) this.send(bytes);
    return this.#unsent.length === 0;
  }

  get empty(): boolean {
    return this.#unsent.length === 0;
  }
}
