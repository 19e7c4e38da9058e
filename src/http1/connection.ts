import type { Socket } from "bun";
import { type BodyEvents, BodyReader } from "./body-reader.ts";
import { Outbox } from "./outbox.ts";
import type { ExchangeEnd, ExchangeWire, NoAnswer } from "./exchange.ts";
import { HeadMemo } from "./head-memo.ts";
import { type Framing, framingOf, type HeaderFields, parseFields } from "./head.ts";

const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");
const MAX_HEAD_BYTES = 65_536;
const EMPTY_BODY: Framing = { kind: "length", bytes: 0 };

/** Where a connection goes when it is free again, or gone. */
export interface ConnectionOwner {
  free(connection: Connection): void;
  gone(connection: Connection): void;
}

/** One connection to a server: one exchange at a time, and the next one when its answer is whole (RFC 9112, section 9.3). */
export class Connection implements ExchangeWire, BodyEvents {
  /** When it was given back; for the owner. */
  idleSinceMs = 0;
  readonly #owner: ConnectionOwner;
  readonly #body: BodyReader;
  #socket: Socket<Connection> | null = null;
  #exchange: ExchangeEnd | null = null;
  readonly #lastHead = new HeadMemo<AnswerHead>();
  #heldHead: Buffer | null = null;
  #inBody = false;
  #lasts = false;
  #outbox: Outbox | null = null;
  #paused = false;
  #closed = false;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
    this.#body = new BodyReader(this);
  }

  onPiece(bytes: Uint8Array): void {
    this.#exchange?.piece(bytes);
  }

  onEnd(): void {
    this.#inBody = false;
  }

  /** The socket is there. */
  opened(socket: Socket<Connection>): void {
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
  }

  get usable(): boolean {
    return !this.#closed && this.#socket !== null;
  }

  /** Sends a request. `head` ends with its empty line. */
  begin(exchange: ExchangeEnd, head: string, body: Uint8Array | string | null): void {
    this.#exchange = exchange;
    exchange.attach(this);
    const outbox = this.#outbox;
    if (outbox === null) return;
    if (body instanceof Uint8Array && body.length > MAX_JOINED_BYTES) {
      outbox.send(Buffer.from(head, "latin1"));
      outbox.send(body);
    } else outbox.sendAll(head, body ?? "");
  }

  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    this.#socket?.resume();
  }

  hangUp(): void {
    this.#close(null);
  }

  onData(bytes: Buffer): void {
    if (this.#inBody && this.#exchange?.takesChunks === true) {
      const spans = this.#body.wholeChunks(bytes);
      if (spans !== null && this.#exchange.chunks(bytes, spans)) return;
    }
    let at = 0;
    while (at < bytes.length && !this.#closed) {
      if (this.#exchange === null) {
        // Nobody asked for this: what it belongs to cannot be known.
        this.#close({ kind: "broken", cause: "it sent more than it was asked for" });
        return;
      }
      const next = this.#inBody ? this.#body.push(bytes, at) : this.#readHead(bytes, at);
      if (next < 0) {
        this.#close({ kind: "broken", cause: "its answer is not HTTP" });
        return;
      }
      at = next;
      if (this.#exchange !== null && !this.#inBody && this.#heldHead === null && this.#exchange.status !== 0)
        this.#finish(at === bytes.length);
    }
  }

  onDrain(): void {
    this.#outbox?.drain();
  }

  onClose(): void {
    if (this.#closed) return;
    const exchange = this.#exchange;
    if (exchange !== null && this.#inBody && this.#body.close()) {
      this.#exchange = null;
      exchange.end(true);
    }
    this.#close(null);
  }

  /** The position behind the head, or the end of what came; -1: this is no HTTP. */
  #readHead(bytes: Buffer, at: number): number {
    const held = this.#heldHead;
    const all = held === null ? bytes : Buffer.concat([held, bytes]);
    const from = held === null ? at : 0;
    const end = all.indexOf(HEAD_END, from);
    if (end < 0) {
      this.#heldHead = Buffer.from(all.subarray(from));
      return this.#heldHead.length > MAX_HEAD_BYTES ? -1 : bytes.length;
    }
    this.#heldHead = null;
    const known = this.#lastHead.recall(all, from, end);
    const head = known?.bodyBytes === this.#lastHead.length ? known : readHead(all, from, end);
    if (head === null || head.status === 101) return -1;
    // 100 and 103 announce; the answer itself follows.
    if (head.status >= 200) {
      if (head !== known) this.#lastHead.remember(all, from, end, head);
      this.#lasts = head.lasts;
      this.#inBody = true;
      this.#exchange?.head(head.status, head.fields);
      this.#body.begin(head.framing);
    }
    return end + 4 - (all.length - bytes.length);
  }

  #finish(nothingLeft: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.resume();
    // Before the exchange ends: whoever waits for it may ask again at once.
    const reusable = this.#lasts && nothingLeft && this.#outbox?.empty === true && !this.#closed;
    if (reusable) this.#owner.free(this);
    exchange?.end(true);
    if (!reusable) this.#close(null);
  }

  #close(why: NoAnswer | null): void {
    if (this.#closed) return;
    this.#closed = true;
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#owner.gone(this);
    if (why === null) exchange?.end(false);
    else exchange?.end(false, why);
    this.#socket?.terminate();
  }
}

/** Above this, copying head and body together costs more than a second write. */
const MAX_JOINED_BYTES = 64 * 1024;
const NO_FIELDS: HeaderFields = new Map();

interface AnswerHead {
  readonly status: number;
  readonly fields: HeaderFields;
  readonly framing: Framing;
  /** Of a body whose length is told; else -1. */
  readonly bodyBytes: number;
  /** Whether the connection can be used again. */
  readonly lasts: boolean;
}

/** Null: it is no HTTP. */
function readHead(bytes: Buffer, from: number, end: number): AnswerHead | null {
  const firstEnd = bytes.indexOf(LINE_END, from);
  const line = bytes.toString("latin1", from, firstEnd);
  const status = /^HTTP\/1\.[01] (\d{3})( |$)/.test(line) ? Number(line.slice(9, 12)) : 0;
  const fields = firstEnd === end ? NO_FIELDS : parseFields(bytes.toString("latin1", firstEnd + 2, end));
  if (status < 100 || fields === null) return null;
  const framing = status < 200 || status === 204 || status === 304 ? EMPTY_BODY : framingOf(fields);
  if (framing === null) return null;
  const bodyBytes = framing.kind === "length" ? framing.bytes : -1;
  return { status, fields, framing, bodyBytes, lasts: lasts(line, fields, framing) };
}

function lasts(line: string, fields: HeaderFields, framing: Framing): boolean {
  if (framing.kind === "close") return false;
  const connection = fields.get("connection")?.toLowerCase();
  return line.startsWith("HTTP/1.1") ? connection !== "close" : connection === "keep-alive";
}
