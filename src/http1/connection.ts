import type { Socket } from "bun";
import { BodyReader } from "./body-reader.ts";
import type { Exchange, ExchangeWire, NoAnswer } from "./exchange.ts";
import { type Framing, framingOf, type HeaderFields, parseFields } from "./head.ts";

const HEAD_END = Buffer.from("\r\n\r\n");
const MAX_HEAD_BYTES = 65_536;
const EMPTY_BODY: Framing = { kind: "length", bytes: 0 };

/** Where a connection goes when it is free again, or gone. */
export interface ConnectionOwner {
  free(connection: Connection): void;
  gone(connection: Connection): void;
}

/** One connection to a server: one exchange at a time, and the next one when its answer is whole (RFC 9112, section 9.3). */
export class Connection implements ExchangeWire {
  /** When it was given back; for the owner. */
  idleSinceMs = 0;
  readonly #owner: ConnectionOwner;
  readonly #body: BodyReader;
  #socket: Socket<Connection> | null = null;
  #exchange: Exchange | null = null;
  #heldHead: Buffer | null = null;
  #inBody = false;
  #lasts = false;
  #unsent: Uint8Array[] = [];
  #paused = false;
  #closed = false;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
    this.#body = new BodyReader({
      onPiece: (bytes) => this.#exchange?.piece(bytes),
      onEnd: () => {
        this.#inBody = false;
      },
    });
  }

  /** The socket is there. */
  opened(socket: Socket<Connection>): void {
    this.#socket = socket;
  }

  get usable(): boolean {
    return !this.#closed && this.#socket !== null;
  }

  /** Sends a request. `head` ends with its empty line. */
  begin(exchange: Exchange, head: string, body: Uint8Array | string | null): void {
    this.#exchange = exchange;
    exchange.attach(this);
    const bytes = body === null || typeof body === "string" ? Buffer.from(head + (body ?? ""), "utf8") : null;
    if (bytes !== null) {
      this.#send(bytes);
    } else if (body instanceof Uint8Array) {
      if (body.length <= MAX_JOINED_BYTES) {
        const all = Buffer.allocUnsafe(head.length + body.length);
        all.write(head, 0, "latin1");
        all.set(body, head.length);
        this.#send(all);
      } else {
        this.#send(Buffer.from(head, "latin1"));
        this.#send(body);
      }
    }
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
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const bytes of unsent) this.#send(bytes);
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
    const firstEnd = all.indexOf("\r\n", from, "latin1");
    const line = all.toString("latin1", from, firstEnd);
    const status = /^HTTP\/1\.[01] (\d{3})( |$)/.test(line) ? Number(line.slice(9, 12)) : 0;
    const fields = firstEnd === end ? NO_FIELDS : parseFields(all.toString("latin1", firstEnd + 2, end));
    if (status < 100 || fields === null) return -1;
    // 100 and 103 announce; the answer itself follows.
    if (status >= 200) {
      const framing = status === 204 || status === 304 ? EMPTY_BODY : framingOf(fields);
      if (framing === null) return -1;
      this.#lasts = lasts(line, fields, framing);
      this.#inBody = true;
      this.#exchange?.head(status, fields);
      this.#body.begin(framing);
    } else if (status === 101) return -1;
    return end + 4 - (all.length - bytes.length);
  }

  #finish(nothingLeft: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.resume();
    // Before the exchange ends: whoever waits for it may ask again at once.
    const reusable = this.#lasts && nothingLeft && this.#unsent.length === 0 && !this.#closed;
    if (reusable) this.#owner.free(this);
    exchange?.end(true);
    if (!reusable) this.#close(null);
  }

  #send(bytes: Uint8Array): void {
    if (this.#unsent.length > 0) {
      this.#unsent.push(bytes);
      return;
    }
    const sent = this.#socket?.write(bytes) ?? -1;
    if (sent < 0) this.#close({ kind: "broken", cause: "" });
    else if (sent < bytes.length) this.#unsent.push(bytes.subarray(sent));
  }

  #close(why: NoAnswer | null): void {
    if (this.#closed) return;
    this.#closed = true;
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#unsent = [];
    this.#owner.gone(this);
    if (why === null) exchange?.end(false);
    else exchange?.end(false, why);
    this.#socket?.terminate();
  }
}

/** Above this, copying head and body together costs more than a second write. */
const MAX_JOINED_BYTES = 64 * 1024;
const NO_FIELDS: HeaderFields = new Map();

function lasts(line: string, fields: HeaderFields, framing: Framing): boolean {
  if (framing.kind === "close") return false;
  const connection = fields.get("connection")?.toLowerCase();
  return line.startsWith("HTTP/1.1") ? connection !== "close" : connection === "keep-alive";
}
