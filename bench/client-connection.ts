import type { Socket } from "bun";
import { MessageReader, type MessageSink } from "./http-message.ts";
import { LAST_WORDS } from "./mock-answers.ts";
import type { LoadPlan } from "./load-plan.ts";
import { FORMS } from "./stream-forms.ts";

export interface Answer {
  /** "": whole. */
  readonly problem: string;
  readonly frames: number;
  /** `performance.now()` of the first content of a stream; null: none came. */
  readonly firstTokenAt: number | null;
  readonly endedAt: number;
}

const TAIL_BYTES = 64;

/** One keep-alive connection with one request at a time. It opens itself again when the server closed it. */
export class ClientConnection implements MessageSink {
  readonly #port: number;
  readonly #request: Buffer;
  readonly #expect: LoadPlan["expect"];
  #reader: MessageReader;
  #socket: Socket<undefined> | null = null;
  #done: ((answer: Answer) => void) | null = null;
  #status = 0;
  #frames = 0;
  #tail: Buffer = Buffer.alloc(0);
  #firstTokenAt: number | null = null;
  /** Hang up when so many pieces of the body came; 0: never. */
  #hangUpAfter = 0;
  #pieces = 0;
  /** The frame that ends a stream came. */
  #ended = false;

  constructor(port: number, request: Buffer, expect: LoadPlan["expect"]) {
    this.#port = port;
    this.#request = request;
    this.#expect = expect;
    this.#reader = new MessageReader(this, "responses");
  }

  get busy(): boolean {
    return this.#done !== null;
  }

  /** Never rejects. `hangUpAfter`: pieces of the answer after which the client goes away; 0: it stays. */
  async ask(hangUpAfter = 0): Promise<Answer> {
    this.#status = 0;
    this.#frames = 0;
    this.#pieces = 0;
    this.#ended = false;
    this.#tail = Buffer.alloc(0);
    this.#firstTokenAt = null;
    this.#hangUpAfter = hangUpAfter;
    const answer = new Promise<Answer>((resolve) => {
      this.#done = resolve;
    });
    try {
      this.#socket ??= await this.#connect();
      this.#socket.write(this.#request);
    } catch {
      this.#finish("no connection");
    }
    return answer;
  }

  /** Ends the connection; a request that runs ends with this reason. */
  close(reason = "closed"): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.terminate();
    this.#finish(reason);
  }

  onHead(head: string): void {
    this.#status = Number(head.slice(9, 12));
  }

  onBody(piece: Buffer): void {
    if (this.#expect.kind === "stream") {
      const { content, frameEnd, ending } = FORMS[this.#expect.form];
      if (this.#firstTokenAt === null && piece.includes(content)) this.#firstTokenAt = performance.now();
      this.#frames += countFrames(this.#tail, piece, frameEnd);
      this.#ended ||= holds(this.#tail, piece, ending);
    }
    this.#tail = lastBytes(this.#tail, piece, this.#expect.kind === "stream" ? TAIL_BYTES : 16_384);
    this.#pieces += 1;
    if (this.#hangUpAfter > 0 && this.#pieces >= this.#hangUpAfter) this.close("hung up");
  }

  onEnd(): void {
    this.#finish(this.#judge());
  }

  async #connect(): Promise<Socket<undefined>> {
    this.#reader = new MessageReader(this, "responses");
    const socket = await Bun.connect<undefined>({
      hostname: "127.0.0.1",
      port: this.#port,
      socket: {
        data: (_, bytes) => this.#take(bytes),
        close: (closed) => this.#gone(closed),
        error: (broken) => this.#gone(broken),
      },
    });
    socket.setNoDelay(true);
    return socket;
  }

  #take(bytes: Buffer): void {
    try {
      this.#reader.push(bytes);
    } catch {
      this.close("not HTTP");
    }
  }

  #gone(socket: Socket<undefined>): void {
    // An older connection's end says nothing about this one.
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#reader.close();
    this.#finish("cut off");
  }

  #judge(): string {
    if (this.#status !== 200) return `status ${this.#status}`;
    if (this.#expect.kind === "whole") return this.#tail.includes(LAST_WORDS) ? "" : "not the whole answer";
    const { ending, frameEnd } = FORMS[this.#expect.form];
    if (!this.#ended) return `no ${ending}`;
    if (!this.#tail.toString("latin1").endsWith(frameEnd)) return "half a frame at the end";
    return this.#frames === this.#expect.frames ? "" : `${this.#frames} frames`;
  }

  #finish(problem: string): void {
    const done = this.#done;
    this.#done = null;
    done?.({ problem, frames: this.#frames, firstTokenAt: this.#firstTokenAt, endedAt: performance.now() });
  }
}

/** A frame's end may lie across two pieces. */
function countFrames(before: Buffer, piece: Buffer, frameEnd: string): number {
  const across = frameEnd.length === 2 && before.at(-1) === 10 && before.at(-2) !== 10 && piece[0] === 10;
  let frames = across ? 1 : 0;
  let at = piece.indexOf(frameEnd, frames, "latin1");
  while (at >= 0) {
    frames += 1;
    at = piece.indexOf(frameEnd, at + frameEnd.length, "latin1");
  }
  return frames;
}

/** Whether this text ends in the piece; it may have begun before it. */
function holds(before: Buffer, piece: Buffer, text: string): boolean {
  if (piece.includes(text, 0, "latin1")) return true;
  const across = before.toString("latin1", before.length - text.length) + piece.toString("latin1", 0, text.length);
  return across.includes(text);
}

function lastBytes(before: Buffer, piece: Buffer, count: number): Buffer {
  if (before.length === 0 || piece.length >= count) return piece.subarray(-count);
  return Buffer.concat([before, piece]).subarray(-count);
}
