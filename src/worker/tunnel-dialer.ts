import { type Audience, MOST_TRIES } from "../cluster/audience.ts";
import { splitAddress } from "../cluster/node-address.ts";
import { connectRaw, type PinnedTls } from "../cluster/raw-connect.ts";
import type { RawSocket } from "../cluster/raw-socket.ts";
import type { CallSigner } from "../cluster/signed-call.ts";
import { NODE_PROTOCOL, OLDEST_NODE_PROTOCOL } from "../cluster/node-protocol.ts";
import { firstLine } from "../cluster/transport/accept-node.ts";
import { readFirstLine, readLines, writeLine } from "../cluster/transport/json-lines.ts";
import {
  controlDown,
  TUNNEL_METHOD,
  TUNNEL_WORD,
  tunnelAnswer,
  type TunnelHello,
  type TunnelKind,
  tunnelPath,
} from "../cluster/transport/tunnel-frames.ts";
import { wait } from "../core/wait.ts";
import type { LeaderAudience } from "./leader-audience.ts";

export interface DialTimes {
  /** For TCP, TLS and the leader's answer together. */
  readonly connectMs: number;
  /** Without a ping for so long the leader is out of reach. */
  readonly silentMs: number;
  /** First wait before dialling again, doubled up to the second. */
  readonly retryMs: readonly [number, number];
}

export const DIAL_TIMES: DialTimes = { connectMs: 8_000, silentMs: 15_000, retryMs: [250, 3_000] };

const SPARE = 2;
const MOST = 4_096;

export interface TunnelDialerParts {
  /** `host:port` of the leader's node port, in the order in which they are tried. */
  readonly addresses: () => readonly string[];
  readonly tls: PinnedTls;
  readonly signer: () => CallSigner;
  readonly audience: LeaderAudience;
  /** To whom the leader shall make its calls out. */
  readonly ownAudience: string;
  readonly times: DialTimes;
  /** A connection over which the leader has begun to talk. */
  readonly accept: (socket: RawSocket) => void;
  /** The leader does not take this node's connections: it is to be asked why. */
  readonly refused: () => void;
  /** The address that answered. */
  readonly connected: (address: string) => void;
  readonly log: (message: string) => void;
}

/** A worker's end of its tunnel: keeps one control connection open, and a few more for exchanges that are to come. */
export class TunnelDialer {
  readonly #parts: TunnelDialerParts;
  readonly #stopped = new AbortController();
  readonly #idle = new Set<RawSocket>();
  readonly #busy = new Set<RawSocket>();
  #dialling = 0;
  #address = "";
  #running: Promise<void> | null = null;
  #hurried = new AbortController();
  /** Since the leader took a connection last: each thing that stands against it is told once. */
  readonly #said = new Set<string>();

  constructor(parts: TunnelDialerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Does not wait any longer to dial again: what the leader refused it for is over. */
  hurry(): void {
    this.#hurried.abort();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    for (const socket of [...this.#idle, ...this.#busy]) socket.destroy();
    await this.#running;
  }

  async #run(): Promise<void> {
    const [firstMs, mostMs] = this.#parts.times.retryMs;
    let retryMs = firstMs;
    while (!this.#stopped.signal.aborted) {
      const control = await this.#dialControl();
      if (control !== null) {
        retryMs = firstMs;
        await this.#follow(control);
        for (const socket of this.#idle) socket.destroy();
        if (!this.#stopped.signal.aborted) this.#parts.log("the tunnel to the leader is closed; dialling again");
      }
      // Not all workers at the same moment after a restart of the leader.
      this.#hurried = new AbortController();
      const { signal } = this.#hurried;
      await wait(retryMs * (0.5 + Math.random()), AbortSignal.any([this.#stopped.signal, signal]));
      retryMs = signal.aborted ? firstMs : Math.min(retryMs * 2, mostMs);
    }
  }

  async #dialControl(): Promise<RawSocket | null> {
    for (const address of this.#parts.addresses()) {
      const socket = await this.#dial(address, "control");
      if (socket === null) continue;
      this.#address = address;
      this.#said.clear();
      this.#parts.connected(address);
      return socket;
    }
    return null;
  }

  /** Until the control connection ends, or the leader falls silent. */
  #follow(control: RawSocket): Promise<void> {
    const { silentMs } = this.#parts.times;
    const { promise, resolve } = Promise.withResolvers<void>();
    const abort = (): void => control.destroy();
    let timer = setTimeout(abort, silentMs);
    this.#stopped.signal.addEventListener("abort", abort);
    readLines(control, {
      line: (value) => {
        clearTimeout(timer);
        timer = setTimeout(abort, silentMs);
        const said = controlDown.safeParse(value);
        if (!said.success) return;
        if ("ping" in said.data) writeLine(control, { pong: said.data.ping });
        else this.#fill(said.data.want);
      },
      close: () => {
        clearTimeout(timer);
        this.#stopped.signal.removeEventListener("abort", abort);
        resolve();
      },
    });
    this.#fill(SPARE);
    return promise;
  }

  /** Dials so many, within what one worker may have. */
  #fill(count: number): void {
    const room = MOST - this.#idle.size - this.#busy.size - this.#dialling;
    for (let more = Math.min(count, room); more > 0; more--) void this.#exchange();
  }

  async #exchange(): Promise<void> {
    this.#dialling++;
    const socket = await this.#dial(this.#address, "exchange");
    this.#dialling--;
    if (socket === null) return;
    if (this.#stopped.signal.aborted) return socket.destroy();
    this.#idle.add(socket);
    const over = (): void => {
      this.#idle.delete(socket);
      this.#busy.delete(socket);
    };
    socket.attach({
      data: (chunk) => {
        this.#idle.delete(socket);
        this.#busy.add(socket);
        if (this.#idle.size + this.#dialling < SPARE) this.#fill(1);
        socket.onClosed(over);
        socket.detach(chunk);
        this.#parts.accept(socket);
      },
      close: over,
    });
  }

  /** A connection of this kind that the leader has taken; null: there or here something stood against it. */
  async #dial(address: string, kind: TunnelKind): Promise<RawSocket | null> {
    const { tls, audience, times, refused } = this.#parts;
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(times.connectMs)]);
    for (let tries = 1; ; tries++) {
      const connected = await connectRaw({ ...splitAddress(address), tls }, signal);
      if (!connected.ok) {
        if (kind === "control") this.#tell(`${address}: ${connected.error.message}`);
        return null;
      }
      const socket = connected.value;
      const to = audience.now;
      socket.write(firstLine(TUNNEL_WORD, this.#hello(kind, to)));
      const answer = tunnelAnswer.safeParse(await readFirstLine(socket, signal)).data;
      if (answer !== undefined && "ok" in answer) return socket;
      socket.destroy();
      if (answer === undefined) return null;
      const { code, message, audience: other } = answer.error;
      if (other !== undefined) audience.heard(other);
      const again = other !== undefined || (to !== null && (await audience.isOlder(address, signal)));
      if (again && tries < MOST_TRIES) continue;
      this.#tell(`the leader refused the tunnel: ${message} (${code})`);
      refused();
      return null;
    }
  }

  #hello(kind: TunnelKind, to: Audience): TunnelHello {
    const { signer, ownAudience } = this.#parts;
    const signed = signer().sign({ method: TUNNEL_METHOD, path: tunnelPath(kind), body: null }, to);
    const hello = { protocol: NODE_PROTOCOL, oldestProtocol: OLDEST_NODE_PROTOCOL, kind, signed };
    return to === null ? hello : { ...hello, audience: ownAudience };
  }

  #tell(what: string): void {
    if (!this.#stopped.signal.aborted && !this.#said.has(what)) this.#parts.log(what);
    this.#said.add(what);
  }
}
