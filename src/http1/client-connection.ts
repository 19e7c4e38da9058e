import type { Socket } from "bun";
import { Cancellation, type CancelSignal } from "../core/cancellation.ts";
import type { BufferedHandler, BufferedRequest } from "../core/buffered-request.ts";
import type { Reply, ReplyStream } from "../core/reply.ts";
import type { HeaderFields } from "./head.ts";
import { Outbox } from "./outbox.ts";
import { ChunkedReply, type ReplyEnd, sendWhole } from "./reply-writer.ts";
import { HeadMemo } from "./head-memo.ts";
import { parseRequestHead, type RequestHead } from "./request-head.ts";
import { Splice } from "./splice.ts";

/** What a connection needs of its server. */
export interface ConnectionHost {
  /** Who answers this request here; null: it is for the inner server. */
  handlerOf(head: RequestHead): BufferedHandler<Reply> | null;
  /** Joins the connection to the inner server. */
  handOver(splice: Splice, socket: Socket<never>): void;
  /** No further requests: the server is closing. */
  readonly closing: boolean;
  gone(connection: ClientConnection): void;
}

const HEAD_END = Buffer.from("\r\n\r\n");
/** A longer head is the inner server's business, which refuses it. */
const MAX_HEAD_BYTES = 16_384;
/** Larger bodies are read by the inner server: it asks for the key before it takes them. */
const MAX_BODY_BYTES = 1024 * 1024;
/** What may come of a next request while one is answered. */
const MAX_EARLY_BYTES = 65_536;

type State = "head" | "body" | "answering" | "handed" | "closed";

/**
 * One client's connection. A plain chat request is answered right here, without the objects that a general server makes
 * for each request; at the first request of any other kind the whole connection is handed over to the inner server, bytes
 * untouched, and stays with it.
 */
export class ClientConnection implements ReplyEnd {
  /** When something last happened (`performance.now()`); for time limits. */
  lastMs = performance.now();
  readonly #host: ConnectionHost;
  readonly #socket: Socket<never>;
  readonly #outbox: Outbox;
  #state: State = "head";
  #held: Buffer | null = null;
  readonly #lastHead = new HeadMemo<RequestHead>();
  #head: RequestHead | null = null;
  #handler: BufferedHandler<Reply> | null = null;
  #body: Buffer[] = [];
  #missing = 0;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #request: HeldRequest | null = null;
  #stream: ReplyStream | null = null;
  #splice: Splice | null = null;
  #closeAfter = false;

  constructor(host: ConnectionHost, socket: Socket<never>) {
    this.#host = host;
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
  }

  /** A request is being answered here. */
  get busy(): boolean {
    return this.#state === "answering" || this.#state === "body";
  }

  /** Between two requests. */
  get idle(): boolean {
    return this.#state === "head" && this.#held === null;
  }

  /** It is the inner server's. */
  get handed(): boolean {
    return this.#state === "handed";
  }

  /** The same, and its last words may still be on their way. */
  get flowing(): boolean {
    return this.handed && this.#splice?.quiet === false;
  }

  get readingHead(): boolean {
    return this.#state === "head" && this.#held !== null;
  }

  get readingBody(): boolean {
    return this.#state === "body";
  }

  onData(bytes: Buffer): void {
    switch (this.#state) {
      case "head":
        this.lastMs = performance.now();
        this.#readHead(this.#held === null ? bytes : Buffer.concat([this.#held, bytes]));
        return;
      case "body":
        this.lastMs = performance.now();
        this.#readBody(bytes);
        return;
      case "answering":
        this.#early.push(bytes);
        this.#earlyBytes += bytes.length;
        if (this.#earlyBytes > MAX_EARLY_BYTES) this.#socket.pause();
        return;
      case "handed":
        this.#splice?.onData(bytes);
        return;
      case "closed":
    }
  }

  onDrain(): void {
    if (this.#splice !== null) this.#splice.onDrain();
    else if (this.#outbox.drain()) {
      this.#stream?.drained();
      if (this.#state === "head") this.#next();
    }
  }

  onClose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#splice?.close();
    this.#stream?.hangUp();
    this.#stream = null;
    this.#request?.hangUp();
    this.#request = null;
    this.#host.gone(this);
  }

  /** The body did not go on coming: it is answered as it is. */
  stall(): void {
    if (this.#state === "body") this.#answer("stalled");
  }

  /** Ends the connection between two requests. */
  leave(): void {
    this.#socket.end();
    this.onClose();
  }

  /** Ends the connection; what is under way is cut. */
  cut(): void {
    this.#socket.terminate();
    this.onClose();
  }

  #readHead(bytes: Buffer): void {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      if (bytes.length > MAX_HEAD_BYTES) this.#handOver(bytes);
      else this.#held = bytes;
      return;
    }
    this.#held = null;
    let head = this.#lastHead.recall(bytes, 0, end);
    let length = this.#lastHead.length;
    if (head === null) {
      head = end > MAX_HEAD_BYTES ? null : parseRequestHead(bytes.toString("latin1", 0, end));
      length = head === null ? -1 : plainLength(head.fields);
      if (head !== null && length >= 0) this.#lastHead.remember(bytes, 0, end, head);
    }
    if (length > MAX_BODY_BYTES) length = -1;
    const handler = head === null || length < 0 ? null : this.#host.handlerOf(head);
    if (head === null || handler === null) {
      this.#handOver(bytes);
      return;
    }
    this.#head = head;
    this.#handler = handler;
    this.#missing = length;
    this.#state = "body";
    this.#readBody(bytes.subarray(end + HEAD_END.length));
  }

  #readBody(bytes: Buffer): void {
    const here = Math.min(bytes.length, this.#missing);
    this.#missing -= here;
    if (here > 0) this.#body.push(here === bytes.length ? bytes : bytes.subarray(0, here));
    if (this.#missing > 0) return;
    if (here < bytes.length) this.#early.push(bytes.subarray(here));
    const [first] = this.#body;
    this.#answer(this.#body.length === 1 && first ? first : Buffer.concat(this.#body));
  }

  #answer(body: Uint8Array | "stalled"): void {
    const head = this.#head;
    const handler = this.#handler;
    if (head === null || handler === null) return;
    this.#state = "answering";
    this.#body = [];
    this.#head = null;
    this.#handler = null;
    const request = new HeldRequest(head.fields, body);
    this.#request = request;
    const lasts = body !== "stalled" && head.fields.get("connection")?.toLowerCase() !== "close";
    void handler(request).then((reply) => this.#reply(reply, lasts));
  }

  #reply(reply: Reply, mayLast: boolean): void {
    const lasts = mayLast && !this.#host.closing;
    const { body } = reply;
    if (this.#state === "closed") {
      // Nobody is there to read it: a stream must hear of it, or its engine would go on.
      if (typeof body === "object" && "hangUp" in body) body.hangUp();
      return;
    }
    if (typeof body === "string" || body instanceof Uint8Array) {
      sendWhole(this.#outbox, reply, body, lasts);
      this.ended(lasts);
      return;
    }
    this.#stream = body;
    const sink = new ChunkedReply(this.#outbox, reply, lasts, this);
    body.flow(sink);
    if (this.#stream === body) sink.flushHead();
  }

  /** The reply is whole, though some of it may still wait for the network. */
  ended(lasts: boolean): void {
    this.#stream = null;
    this.#request = null;
    if (this.#state === "closed") return;
    this.#state = "head";
    this.lastMs = performance.now();
    if (!lasts) this.#closeAfter = true;
    if (this.#outbox.empty) this.#next();
  }
  /** Goes on with what came early. */
  #next(): void {
    if (this.#closeAfter || this.#host.closing) {
      this.leave();
      return;
    }
    if (this.#early.length === 0) return;
    const early = Buffer.concat(this.#early);
    this.#early = [];
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.#socket.resume();
    this.#earlyBytes = 0;
    this.#readHead(early);
  }

  #handOver(bytes: Buffer): void {
    this.#held = null;
    this.#state = "handed";
    this.#splice = new Splice(this.#socket, bytes, () => this.onClose());
    this.#host.handOver(this.#splice, this.#socket);
  }
}

/** The length of a body that can be read here; -1: chunks, encodings, expectations and the like are the inner server's. */
function plainLength(fields: HeaderFields): number {
  const length = fields.get("content-length");
  if (length === undefined || !/^\d{1,8}$/.test(length) || Number(length) > MAX_BODY_BYTES) return -1;
  if (fields.get("content-type")?.startsWith("application/json") !== true) return -1;
  for (const name of NOT_PLAIN) if (fields.has(name)) return -1;
  return fields.get("host")?.includes(",") === false ? Number(length) : -1;
}
const NOT_PLAIN = ["transfer-encoding", "content-encoding", "expect", "upgrade", "origin"];

class HeldRequest implements BufferedRequest {
  readonly #fields: HeaderFields;
  readonly #length: number;
  #body: Uint8Array | "stalled" | null;
  #abort: Cancellation | null = null;
  #gone = false;

  constructor(fields: HeaderFields, body: Uint8Array | "stalled") {
    this.#fields = fields;
    this.#body = body;
    this.#length = body === "stalled" ? -1 : body.length;
  }

  takeBody(): Uint8Array | "stalled" {
    const body = this.#body;
    this.#body = null;
    if (body === null) throw new Error("a request's body is taken once");
    return body;
  }

  get headers(): { get(name: string): string | null } {
    return this;
  }

  /** They are one object for as long as the connection sends the same head. */
  get sender(): object {
    return this.#fields;
  }

  get(name: string): string | null {
    // The fields may be those of an earlier request with the same head.
    if (name === "content-length" && this.#length >= 0) return String(this.#length);
    return this.#fields.get(name) ?? null;
  }

  get signal(): CancelSignal {
    this.#abort ??= new Cancellation();
    if (this.#gone) this.#abort.abort();
    return this.#abort;
  }

  hangUp(): void {
    this.#gone = true;
    this.#abort?.abort();
  }
}
