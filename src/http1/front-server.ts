import type { Socket, TCPSocketListener, TLSOptions } from "bun";
import type { BufferedHandler } from "../core/buffered-request.ts";
import type { Reply } from "../core/reply.ts";
import { wait } from "../core/wait.ts";
import { ClientConnection, type ConnectionHost } from "./client-connection.ts";
import type { RequestHead } from "./request-head.ts";
import { steerToSecond } from "./steer-connections.ts";
import type { Splice, SpliceEnd } from "./splice.ts";

export interface FrontOptions {
  readonly hostname: string;
  readonly port: number;
  /** Another process may listen there too; new connections are shared out. */
  readonly reusePort?: boolean;
  readonly tls?: TLSOptions;
  /** The inner server's port on 127.0.0.1. */
  readonly innerPort: number;
  /** Who answers a plain request (a body of known length, JSON, no browser); null: the inner server. */
  readonly handlerOf: (head: RequestHead) => BufferedHandler<Reply> | null;
}

interface Held {
  connection: ClientConnection | null;
}

/** A head that does not go on coming; Bun's own server has the same limit. */
const HEAD_STALL_MS = 12_000;
const BODY_STALL_MS = 30_000;
const IDLE_MS = 600_000;
const LOOK_MS = 1000;
const FLUSH_FIRST_MS = 50;
const FLUSH_LOOK_MS = 20;
/** Each turn of the event loop accepts all that waits; more than one, since a timer may come before its turn's sockets. */
const STEER_TURNS = 3;
const STEER_MS = 20;
/** `Bun.listen` keeps to it, though its types have it for connections alone. */
const REUSE_PORT: object = { reusePort: true };

/**
 * The leader's client port. Plain chat requests are answered on their connection; all else goes to an inner server
 * (`Bun.serve`) byte by byte; docs/decisions/0022-front-server.md says why.
 */
export class FrontServer implements ConnectionHost {
  readonly #options: FrontOptions;
  readonly #listener: TCPSocketListener<Held>;
  readonly #connections = new Set<ClientConnection>();
  /** The address behind each connection to the inner server, by that connection's own port. */
  readonly #peers = new Map<number, string>();
  readonly #timer: ReturnType<typeof setInterval>;
  #closing: PromiseWithResolvers<void> | null = null;

  /** Throws what the system says when the address cannot be had. */
  constructor(options: FrontOptions) {
    this.#options = options;
    const { hostname, port, reusePort = false, tls } = options;
    this.#listener = Bun.listen<Held>({
      hostname,
      port,
      ...(reusePort ? REUSE_PORT : {}),
      ...(tls === undefined ? {} : { tls }),
      socket: {
        open: (socket) => {
          socket.setNoDelay(true);
          const connection = new ClientConnection(this, socket as unknown as Socket<never>);
          socket.data = { connection };
          this.#connections.add(connection);
        },
        data: (socket, bytes) => socket.data.connection?.onData(bytes),
        drain: (socket) => socket.data.connection?.onDrain(),
        end: (socket) => socket.data.connection?.onClose(),
        close: (socket) => socket.data?.connection?.onClose(),
        error: (socket) => socket.data?.connection?.onClose(),
      },
    });
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  get port(): number {
    return this.#listener.port;
  }

  get closing(): boolean {
    return this.#closing !== null;
  }

  /** Whose request came to the inner server from this port of this machine; null: nobody's of ours. */
  peerOf(port: number): string | null {
    return this.#peers.get(port) ?? null;
  }

  handlerOf(head: RequestHead): BufferedHandler<Reply> | null {
    return this.#closing === null ? this.#options.handlerOf(head) : null;
  }

  handOver(splice: Splice, socket: Socket<never>): void {
    const peer = socket.remoteAddress;
    let port = 0;
    Bun.connect<SpliceEnd>({
      hostname: "127.0.0.1",
      port: this.#options.innerPort,
      data: splice.inner,
      socket: {
        open: (inner) => {
          port = inner.localPort;
          inner.setNoDelay(true);
          this.#peers.set(port, peer);
          splice.opened(inner);
        },
        data: (inner, bytes) => inner.data.onData(bytes),
        drain: (inner) => inner.data.onDrain(),
        end: (inner) => inner.data.onClose(),
        close: (inner) => {
          this.#peers.delete(port);
          inner.data.onClose();
        },
        error: (inner) => inner.data.onClose(),
      },
    }).catch(() => splice.close());
  }

  gone(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.#settle();
  }

  /** Takes no new connections from now on; those that are open are served. */
  quiet(): void {
    this.#listener.stop(false);
  }

  /** Another process listens here too: new connections are that one's, and what waits to be accepted here is served. */
  async handOff(): Promise<void> {
    if (await steerToSecond(this.#listener))
      for (let turn = 0; turn < STEER_TURNS; turn += 1) await Bun.sleep(STEER_MS);
  }

  /** No new connections and no further requests; resolves when what is answered here is answered. */
  async drain(): Promise<void> {
    this.#closing ??= Promise.withResolvers<void>();
    this.#listener.stop(false);
    for (const connection of this.#connections) if (connection.idle) connection.leave();
    this.#settle();
    await this.#closing.promise;
  }

  /** Once the inner server has answered everything: until that has gone out to the clients, or the signal fires. */
  async flush(cut: AbortSignal): Promise<void> {
    const handed = (): boolean => [...this.#connections].some((connection) => connection.handed);
    const flowing = (): boolean => [...this.#connections].some((connection) => connection.flowing);
    // What it wrote in this very turn nobody has read yet.
    if (handed()) await wait(FLUSH_FIRST_MS, cut);
    while (!cut.aborted && flowing()) await wait(FLUSH_LOOK_MS, cut);
    if (cut.aborted) return;
    for (const connection of this.#connections) connection.leave();
  }

  /** Cuts whatever is left. */
  stop(): void {
    clearInterval(this.#timer);
    this.#listener.stop(true);
    for (const connection of this.#connections) connection.cut();
  }

  #settle(): void {
    if (this.#closing === null) return;
    for (const connection of this.#connections) if (connection.busy) return;
    this.#closing.resolve();
  }

  #look(): void {
    const now = performance.now();
    for (const connection of this.#connections) {
      const quietMs = now - connection.lastMs;
      if (connection.readingBody && quietMs > BODY_STALL_MS) connection.stall();
      else if (connection.readingHead && quietMs > HEAD_STALL_MS) connection.cut();
      else if (connection.idle && quietMs > IDLE_MS) connection.leave();
    }
  }
}
