import type { Socket } from "bun";
import type { Reply, ReplySink } from "../core/reply.ts";

const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  413: "Content Too Large",
  429: "Too Many Requests",
  499: "Client Closed Request",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  529: "Overloaded",
};

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

/** Sends a reply that is whole, head and body in one write. False: some of it waits for `drain`. */
export function sendWhole(
  outbox: Outbox,
  { status, headers }: Reply,
  body: Uint8Array | string,
  lasts: boolean,
): boolean {
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const head = `${renderHead(status, headers, lasts)}content-length: ${length}\r\n\r\n`;
  const bytes = Buffer.allocUnsafe(head.length + length);
  bytes.write(head, 0, "latin1");
  if (typeof body === "string") bytes.write(body, head.length, "utf8");
  else bytes.set(body, head.length);
  return outbox.send(bytes);
}

/** A reply that streams, in chunks; its head goes out with the first of them. */
export class ChunkedReply implements ReplySink {
  readonly #outbox: Outbox;
  readonly #ended: () => void;
  #head: string | null;

  constructor(outbox: Outbox, { status, headers }: Reply, lasts: boolean, ended: () => void) {
    this.#outbox = outbox;
    this.#ended = ended;
    this.#head = `${renderHead(status, headers, lasts)}transfer-encoding: chunked\r\n\r\n`;
  }

  /** The head, if no chunk took it along: a client waits for its status. */
  flushHead(): void {
    if (this.#head === null) return;
    const head = Buffer.from(this.#head, "latin1");
    this.#head = null;
    this.#outbox.send(head);
  }

  write(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return this.#outbox.empty;
    return this.#outbox.send(this.#chunk(bytes, 0));
  }

  get takesChunks(): boolean {
    return true;
  }

  writeChunks(chunks: Uint8Array): boolean {
    this.flushHead();
    return this.#outbox.send(chunks);
  }

  end(last: Uint8Array | null): void {
    if (last !== null && last.length > 0) this.#outbox.send(this.#chunk(last, LAST_CHUNK.length));
    else {
      this.flushHead();
      this.#outbox.send(LAST_CHUNK);
    }
    this.#ended();
  }

  /** One buffer, so that it is one write: head if it is still here, size, bytes, and the end if `more` makes room for it. */
  #chunk(bytes: Uint8Array, more: number): Buffer {
    const before = `${this.#head ?? ""}${bytes.length.toString(16)}\r\n`;
    this.#head = null;
    const at = before.length;
    const all = Buffer.allocUnsafe(at + bytes.length + 2 + more);
    all.write(before, 0, "latin1");
    all.set(bytes, at);
    all[at + bytes.length] = 0x0d;
    all[at + bytes.length + 1] = 0x0a;
    if (more > 0) all.set(LAST_CHUNK, at + bytes.length + 2);
    return all;
  }
}

let dateSecond = 0;
let dateLine = "";

/** RFC 9110, section 6.6.1. Rendered once a second. */
function date(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateLine;
}

function renderHead(status: number, headers: Readonly<Record<string, string>>, lasts: boolean): string {
  let head = `HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}\r\n`;
  for (const name in headers) head += `${name}: ${safe(headers[name] ?? "")}\r\n`;
  return `${head}${date()}${lasts ? "" : "connection: close\r\n"}`;
}

/** A model's name may hold anything; a header's value is visible Latin-1 on one line. */
function safe(value: string): string {
  return UNSAFE.test(value) ? value.replaceAll(/[^\t\x20-\x7e\xa0-\xff]/g, "?") : value;
}
const UNSAFE = /[^\t\x20-\x7e\xa0-\xff]/;
