import type { Socket } from "bun";

/** Gets what happens on a raw socket. */
export interface RawHandlers {
  data(chunk: Uint8Array): void;
  /** All that was written is on its way: there is room again. */
  drain?(): void;
  /** Once, and nothing comes after it. */
  close(): void;
}

/** What a peer that has not been asked to wait may send before anybody listens to it. */
const MAX_EARLY_BYTES = 1024 * 1024;

/**
 * A connection as bytes, with back-pressure both ways: `write` says when to wait, and who does not want more data says
 * `pause`. Until handlers are attached nothing is read. Bun's own sockets take a part of what is written and say how
 * much; the rest is kept here.
 */
export class RawSocket {
  readonly #socket: Socket<RawSocket>;
  #handlers: RawHandlers | null = null;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #unsent: Uint8Array[] = [];
  #closed = false;
  #ending = false;
  #onClosed: () => void = () => undefined;

  constructor(socket: Socket<RawSocket>) {
    this.#socket = socket;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Of this machine, on this connection; null: not a TCP connection. */
  get localAddress(): string | null {
    return this.#socket.localAddress || null;
  }

  get peerAddress(): string | null {
    return this.#socket.remoteAddress || null;
  }

  /** From now on these get everything, what had come before included. Reading goes on. */
  attach(handlers: RawHandlers): void {
    this.#handlers = handlers;
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    if (!this.#closed) this.#socket.resume();
    for (const chunk of early) {
      // These handlers may have handed over to others in the middle.
      if (this.#handlers === handlers) handlers.data(chunk);
      else this.#early.push(chunk);
    }
    if (this.#closed && this.#handlers === handlers) handlers.close();
  }

  /** Called at the end as well as the handlers' `close`, whoever they are then. */
  onClosed(listener: () => void): void {
    this.#onClosed = listener;
  }

  /** Nobody listens until the next `attach`; `rest` was read too far, and comes first then. */
  detach(rest: Uint8Array): void {
    this.#handlers = null;
    this.pause();
    if (rest.length > 0) this.#early.unshift(rest);
  }

  /** True: go on. False: it is kept, and `drain` tells when to go on. */
  write(chunk: Uint8Array): boolean {
    if (this.#closed || this.#ending) return true;
    if (this.#unsent.length > 0) {
      this.#unsent.push(chunk);
      return false;
    }
    const taken = Math.max(0, this.#socket.write(chunk));
    if (taken >= chunk.length) return true;
    this.#unsent.push(chunk.subarray(taken));
    return false;
  }

  pause(): void {
    if (!this.#closed) this.#socket.pause();
  }

  resume(): void {
    if (!this.#closed) this.#socket.resume();
  }

  /** Closes once all that was written is on its way. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    if (this.#unsent.length === 0) this.#socket.end();
  }

  /** Closes at once; what was not sent yet is lost. */
  destroy(): void {
    if (!this.#closed) this.#socket.terminate();
  }

  /** For `raw-listener.ts` and `raw-connect.ts` alone, which hear of Bun's events. */
  readonly events = {
    data: (chunk: Uint8Array): void => {
      if (this.#handlers !== null) return this.#handlers.data(chunk);
      this.#early.push(chunk);
      this.#earlyBytes += chunk.length;
      if (this.#earlyBytes > MAX_EARLY_BYTES) this.destroy();
      else this.#socket.pause();
    },
    drain: (): void => {
      while (this.#unsent.length > 0) {
        const [chunk = new Uint8Array()] = this.#unsent;
        const taken = Math.max(0, this.#socket.write(chunk));
        if (taken < chunk.length) {
          this.#unsent[0] = chunk.subarray(taken);
          return;
        }
        this.#unsent.shift();
      }
      if (this.#ending) this.#socket.end();
      else this.#handlers?.drain?.();
    },
    close: (): void => {
      if (this.#closed) return;
      this.#closed = true;
      this.#unsent = [];
      this.#onClosed();
      this.#handlers?.close();
    },
  };
}

/** Bun wants one set of handlers for many sockets; each finds its own by `data`. */
export const RAW_EVENTS = {
  data: (socket: Socket<RawSocket>, chunk: Uint8Array) => socket.data.events.data(chunk),
  drain: (socket: Socket<RawSocket>) => socket.data.events.drain(),
  close: (socket: Socket<RawSocket>) => socket.data.events.close(),
  // The close comes as well, and is what counts.
  error: () => undefined,
} as const;

/** Joins two connections: what comes from one goes to the other, no faster than that takes it; the end of one ends both. */
export function splice(a: RawSocket, b: RawSocket): void {
  const oneWay = (from: RawSocket, to: RawSocket): void =>
    from.attach({
      data: (chunk) => {
        if (!to.write(chunk)) from.pause();
      },
      drain: () => to.resume(),
      close: () => to.end(),
    });
  oneWay(a, b);
  oneWay(b, a);
}
