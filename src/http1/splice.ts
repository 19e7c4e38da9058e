import type { Socket } from "bun";
import { Outbox } from "./outbox.ts";

/** One end of two connections that are joined. */
export interface SpliceEnd {
  onData(bytes: Buffer): void;
  onDrain(): void;
  onClose(): void;
}

/** Two turns of the event loop at least: what the inner server has written comes in between. */
const QUIET_MS = 50;

/**
 * Joins a client's connection to an inner server's: bytes go both ways as they come, and whoever reads slowly holds the
 * other one back. The end of one is the end of the other, once what was under way has been written.
 */
export class Splice {
  readonly #client: Socket<never>;
  readonly #toClient: Outbox;
  readonly #closed: () => void;
  #inner: Socket<SpliceEnd> | null = null;
  #toInner: Outbox | null = null;
  /** What came before the inner connection was there. */
  #early: Buffer[];
  /** When the inner server said something last. */
  #saidMs = performance.now();
  #over = false;
  #innerClosed = false;

  constructor(client: Socket<never>, first: Buffer, closed: () => void) {
    this.#client = client;
    this.#toClient = new Outbox(client);
    this.#early = [first];
    this.#closed = closed;
    client.pause();
  }

  /** From the inner connection: it is there. */
  opened(inner: Socket<SpliceEnd>): void {
    if (this.#over) {
      inner.terminate();
      return;
    }
    this.#inner = inner;
    this.#toInner = new Outbox(inner);
    const room = this.#early.map((bytes) => this.#toInner?.send(bytes)).every((sent) => sent === true);
    this.#early = [];
    if (room) this.#client.resume();
  }

  readonly inner: SpliceEnd = {
    onData: (bytes) => {
      this.#saidMs = performance.now();
      if (!this.#toClient.send(bytes)) this.#inner?.pause();
    },
    onDrain: () => {
      if (this.#toInner?.drain() === true) this.#client.resume();
    },
    onClose: () => {
      this.#innerClosed = true;
      if (this.#toClient.empty) this.close();
    },
  };

  /** All that the inner server said has gone out, and it has been silent for a moment. */
  get quiet(): boolean {
    return this.#over || (this.#toClient.empty && performance.now() - this.#saidMs > QUIET_MS);
  }

  onData(bytes: Buffer): void {
    if (this.#toInner === null) this.#early.push(bytes);
    else if (!this.#toInner.send(bytes)) this.#client.pause();
  }

  onDrain(): void {
    if (!this.#toClient.drain()) return;
    if (this.#innerClosed) this.close();
    else this.#inner?.resume();
  }

  /** Either side is gone. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#inner?.end();
    this.#client.end();
    this.#closed();
  }
}
