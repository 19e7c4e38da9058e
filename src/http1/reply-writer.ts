import type { Reply, ReplySink } from "../core/reply.ts";
import type { Outbox } from "./outbox.ts";

const CRLF = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const END = Buffer.from("\r\n0\r\n\r\n");
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

/** Sends a reply that is whole, head and body in one write. False: some of it waits for `drain`. */
export function sendWhole(outbox: Outbox, reply: Reply, body: Uint8Array | string, lasts: boolean): boolean {
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  return outbox.sendAll(`${renderHead(reply, lasts)}content-length: ${length}\r\n\r\n`, body);
}

/** Told when a reply has ended; `lasts`: the connection may be used again. */
export interface ReplyEnd {
  ended(lasts: boolean): void;
}

/** A reply that streams, in chunks; its head goes out with the first of them. */
export class ChunkedReply implements ReplySink {
  readonly #outbox: Outbox;
  readonly #lasts: boolean;
  readonly #connection: ReplyEnd;
  #head: string | null;

  constructor(outbox: Outbox, reply: Reply, lasts: boolean, connection: ReplyEnd) {
    this.#outbox = outbox;
    this.#lasts = lasts;
    this.#connection = connection;
    this.#head = `${renderHead(reply, lasts)}transfer-encoding: chunked\r\n\r\n`;
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
    return this.#chunk(bytes, CRLF);
  }

  get takesChunks(): boolean {
    return true;
  }

  writeChunks(chunks: Uint8Array): boolean {
    this.flushHead();
    return this.#outbox.send(chunks);
  }

  end(last: Uint8Array | null): void {
    if (last !== null && last.length > 0) this.#chunk(last, END);
    else {
      this.flushHead();
      this.#outbox.send(LAST_CHUNK);
    }
    this.#connection.ended(this.#lasts);
  }

  /** In one write: the head if it is still here, size, bytes, and what follows. */
  #chunk(bytes: Uint8Array, tail: Uint8Array): boolean {
    const before = `${this.#head ?? ""}${bytes.length.toString(16)}\r\n`;
    this.#head = null;
    return this.#outbox.sendAll(before, bytes, tail);
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

/** What replies have in common is rendered once. */
const rendered = new WeakMap<Reply["headers"], string>();

function renderHead({ status, headers, own }: Reply, lasts: boolean): string {
  let lines = own === undefined ? linesOf(headers) : rendered.get(headers);
  if (lines === undefined) rendered.set(headers, (lines = linesOf(headers)));
  const ownLines = own === undefined ? "" : linesOf(own);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}\r\n${lines}${ownLines}${date()}${lasts ? "" : "connection: close\r\n"}`;
}

function linesOf(headers: Reply["headers"]): string {
  let lines = "";
  for (const name in headers) lines += `${name}: ${safe(headers[name] ?? "")}\r\n`;
  return lines;
}

/** A model's name may hold anything; a header's value is visible Latin-1 on one line. */
function safe(value: string): string {
  return UNSAFE.test(value) ? value.replaceAll(/[^\t\x20-\x7e\xa0-\xff]/g, "?") : value;
}
const UNSAFE = /[^\t\x20-\x7e\xa0-\xff]/;
