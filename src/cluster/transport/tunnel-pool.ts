import { chmodSync, rmSync } from "node:fs";
import { connectRaw } from "../raw-connect.ts";
import { listenRaw, type RawListener } from "../raw-listener.ts";
import { type RawSocket, splice } from "../raw-socket.ts";
import { readLines, writeLine } from "./json-lines.ts";
import { controlUp } from "./tunnel-frames.ts";

export interface TunnelTimes {
  readonly pingMs: number;
  /** Without an answer for so long, the worker is out of reach and everything to it is cut. */
  readonly silentMs: number;
  /** How long an exchange waits for a connection of the worker. */
  readonly waitMs: number;
  /** Idle connections above `spare` are closed after so long. */
  readonly idleMs: number;
}

export const TUNNEL_TIMES: TunnelTimes = { pingMs: 5_000, silentMs: 15_000, waitMs: 10_000, idleMs: 30_000 };

/** Connections that a worker holds ready. */
const SPARE_TUNNELS = 2;
/** Most exchanges that wait at once: the sum of what a gateway would have in flight to one node. */
const MAX_WAITING = 4_096;
const PASS_ON_MS = 5_000;

export interface TunnelPoolParts {
  /** Where exchanges come in: whoever connects there is joined to the worker. */
  readonly socket: string;
  readonly times: TunnelTimes;
  /** The way through the tunnel opened or closed. */
  readonly onChange: () => void;
}

interface Idle {
  readonly socket: RawSocket;
  since: number;
}

/**
 * The leader's end of one worker's tunnel. The worker dials; what it dialled waits here until an exchange takes it. Each
 * connection to the pool's Unix socket is joined with one of the worker's, byte for byte: HTTP stays end to end, TCP does
 * the back-pressure, and nothing is framed.
 */
export class TunnelPool {
  readonly #parts: TunnelPoolParts;
  readonly #listener: RawListener;
  readonly #idle: Idle[] = [];
  readonly #busy = new Set<RawSocket>();
  readonly #waiting: { readonly socket: RawSocket; readonly until: number }[] = [];
  readonly #timer: Timer;
  #control: RawSocket | null = null;
  #heardAt = 0;
  #pings = 0;
  /** What the worker was asked for and has not dialled yet. */
  #wanted = 0;
  /** Until then one that was there before may dial anew, after a restart of the leader. Of `performance.now`. */
  readonly #awaitedUntil: number;
  /** Where the pool listens that the worker dials now; null: this one. */
  #successor: string | null = null;

  constructor(parts: TunnelPoolParts) {
    this.#parts = parts;
    this.#awaitedUntil = performance.now() + parts.times.waitMs;
    rmSync(parts.socket, { force: true });
    this.#listener = listenRaw({ unix: parts.socket }, (socket) => this.#exchange(socket));
    chmodSync(parts.socket, 0o600);
    this.#timer = setInterval(() => this.#tick(), Math.min(parts.times.pingMs, 1_000));
  }

  get alive(): boolean {
    return this.#control !== null || this.#successor !== null;
  }

  get path(): string {
    return this.#parts.socket;
  }

  /** Connections by what they are at. */
  counts(): { readonly idle: number; readonly busy: number; readonly waiting: number } {
    return { idle: this.#idle.length, busy: this.#busy.size, waiting: this.#waiting.length };
  }

  /** A worker has one control connection: a new one takes the old one's place. */
  control(socket: RawSocket): void {
    const before = this.#control;
    this.#control = socket;
    this.#heardAt = performance.now();
    this.#wanted = 0;
    before?.destroy();
    readLines(socket, {
      line: (value) => {
        if (controlUp.safeParse(value).success) this.#heardAt = performance.now();
      },
      close: () => {
        if (this.#control !== socket) return;
        this.#control = null;
        // Nothing was sent yet: whoever waits may go elsewhere at once.
        for (const waiting of this.#waiting.splice(0)) waiting.socket.destroy();
        this.#parts.onChange();
      },
    });
    this.#ask();
    this.#parts.onChange();
  }

  /** A connection that the worker dialled for an exchange. */
  dialled(socket: RawSocket): void {
    this.#wanted = Math.max(0, this.#wanted - 1);
    const waiting = this.#nextWaiting();
    if (waiting !== null) return this.#join(waiting, socket);
    const idle: Idle = { socket, since: performance.now() };
    this.#idle.push(idle);
    socket.attach({
      // The worker has nothing to say before it was asked.
      data: () => socket.destroy(),
      close: () => this.#drop(idle),
    });
  }

  /** Ends every exchange: the worker is gone, or out. The next that it dials are taken again. */
  cut(): void {
    for (const { socket } of this.#idle.splice(0)) socket.destroy();
    for (const socket of this.#busy) socket.destroy();
    for (const { socket } of this.#waiting.splice(0)) socket.destroy();
    this.#control?.destroy();
  }

  /**
   * The worker shall dial the leader that took over; exchanges that run go on. Those that are yet to come here, of requests
   * that were taken before, go through the pool at `socket`, which is that leader's.
   */
  release(socket: string): void {
    this.#successor = socket;
    for (const idle of this.#idle.splice(0)) idle.socket.destroy();
    for (const waiting of this.#waiting.splice(0)) void passOn(waiting.socket, socket);
    this.#control?.destroy();
  }

  close(): void {
    clearInterval(this.#timer);
    this.cut();
    this.#listener.stop(true);
    rmSync(this.#parts.socket, { force: true });
  }

  /** One of the worker's connections, for a byte stream; null: none came in time. */
  async take(signal: AbortSignal): Promise<RawSocket | null> {
    const through = await connectRaw({ unix: this.#parts.socket }, signal);
    return through.ok ? through.value : null;
  }

  #exchange(socket: RawSocket): void {
    if (this.#successor !== null) return void passOn(socket, this.#successor);
    const awaited = this.#control !== null || performance.now() < this.#awaitedUntil;
    if (!awaited || this.#waiting.length >= MAX_WAITING) return socket.destroy();
    const idle = this.#idle.shift();
    if (idle !== undefined) return this.#join(socket, idle.socket);
    this.#waiting.push({ socket, until: performance.now() + this.#parts.times.waitMs });
    this.#ask();
  }

  #join(ours: RawSocket, theirs: RawSocket): void {
    this.#busy.add(theirs);
    theirs.onClosed(() => this.#busy.delete(theirs));
    theirs.detach(new Uint8Array());
    splice(ours, theirs);
  }

  #nextWaiting(): RawSocket | null {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (!next.socket.closed) return next.socket;
    }
    return null;
  }

  #drop(idle: Idle): void {
    const at = this.#idle.indexOf(idle);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** A worker keeps a few ready by itself; a burst needs more at once. */
  #ask(): void {
    const missing = this.#waiting.length - this.#wanted;
    if (missing <= 0 || this.#control === null) return;
    this.#wanted += missing;
    writeLine(this.#control, { want: missing });
  }

  #tick(): void {
    const now = performance.now();
    const { silentMs, pingMs, idleMs } = this.#parts.times;
    while (this.#waiting[0] !== undefined && this.#waiting[0].until <= now) this.#waiting.shift()?.socket.destroy();
    const surplus = this.#idle.filter(({ since }) => now - since > idleMs).slice(0, -SPARE_TUNNELS);
    for (const { socket } of surplus) socket.destroy();
    if (this.#control === null) return;
    if (now - this.#heardAt > silentMs) return this.cut();
    if (now - this.#heardAt >= pingMs) writeLine(this.#control, { ping: ++this.#pings });
  }
}

async function passOn(socket: RawSocket, successor: string): Promise<void> {
  const connected = await connectRaw({ unix: successor }, AbortSignal.timeout(PASS_ON_MS));
  if (connected.ok) splice(socket, connected.value);
  else socket.destroy();
}
