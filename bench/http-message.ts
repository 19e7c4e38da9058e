/** What a message is told to, in this order: head, pieces of the body, end. The pieces are views: use them at once. */
export interface MessageSink {
  onHead(head: string): void;
  onBody(piece: Buffer): void;
  onEnd(): void;
}

type State = "head" | "fixed" | "size" | "data" | "gap" | "trailer" | "rest";

const HEAD_END = Buffer.from("\r\n\r\n");
const MAX_HEAD_BYTES = 65_536;

/**
 * Reads HTTP/1.1 messages of one side of a connection, one after another. Ours, because the load driver and the mock
 * engine must cost little beside the server under test, and must see each piece at the moment when it comes.
 */
export class MessageReader {
  readonly #sink: MessageSink;
  /** Without a length: a response goes on to the end of the connection, a request has no body. */
  readonly #side: "requests" | "responses";
  #state: State = "head";
  #held: Buffer | null = null;
  #left = 0;

  constructor(sink: MessageSink, side: "requests" | "responses") {
    this.#sink = sink;
    this.#side = side;
  }

  /** Throws on bytes that are no HTTP. */
  push(piece: Buffer): void {
    let bytes = piece;
    if (this.#held !== null) {
      bytes = Buffer.concat([this.#held, piece]);
      this.#held = null;
    }
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at);
      if (next < 0) {
        this.#held = bytes.subarray(at);
        if (this.#held.length > MAX_HEAD_BYTES) throw new Error("a head without end");
        return;
      }
      at = next;
    }
  }

  /** The connection ended. True: nothing was missing. */
  close(): boolean {
    const whole = (this.#state === "head" && this.#held === null) || this.#state === "rest";
    if (this.#state === "rest") this.#end();
    return whole;
  }

  /** Where to go on; -1 when more bytes are needed. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case "head": {
        const end = bytes.indexOf(HEAD_END, at);
        if (end < 0) return -1;
        this.#begin(bytes.toString("latin1", at, end + 2));
        return end + 4;
      }
      case "fixed":
      case "data": {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        this.#sink.onBody(bytes.subarray(at, end));
        if (this.#left === 0) {
          if (this.#state === "fixed") this.#end();
          else this.#state = "gap";
        }
        return end;
      }
      case "rest":
        this.#sink.onBody(bytes.subarray(at));
        return bytes.length;
      case "gap":
        if (bytes.length - at < 2) return -1;
        this.#state = "size";
        return at + 2;
      case "size": {
        const end = bytes.indexOf("\r\n", at, "latin1");
        if (end < 0) return -1;
        const size = Number.parseInt(bytes.toString("latin1", at, end), 16);
        if (!(size >= 0)) throw new Error("a chunk without a size");
        this.#left = size;
        this.#state = size === 0 ? "trailer" : "data";
        return end + 2;
      }
      case "trailer": {
        const end = bytes.indexOf("\r\n", at, "latin1");
        if (end < 0) return -1;
        if (end === at) this.#end();
        return end + 2;
      }
    }
  }

  #begin(head: string): void {
    this.#sink.onHead(head);
    const length = /\r\ncontent-length:\s*(\d+)\r\n/i.exec(head)?.[1];
    if (/\r\ntransfer-encoding:\s*chunked\r\n/i.test(head)) {
      this.#state = "size";
    } else if (length !== undefined && length !== "0") {
      this.#state = "fixed";
      this.#left = Number(length);
    } else if (length === undefined && this.#side === "responses") {
      this.#state = "rest";
    } else {
      this.#end();
    }
  }

  #end(): void {
    this.#state = "head";
    this.#sink.onEnd();
  }
}
