import { codeOf } from "../core/error-code.ts";
import type { CancelSignal } from "../core/cancellation.ts";
import type { TLSOptions } from "bun";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Result } from "../core/result.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { Exchange, type NoAnswer } from "./exchange.ts";

/** Where a pool's connections lead. */
export type ConnectTarget =
  | { readonly hostname: string; readonly port: number; readonly tls?: TLSOptions }
  | { readonly unix: string };

export interface HttpCall {
  readonly method: string;
  /** With its leading slash, query included. */
  readonly path: string;
  /** `host`, `content-length` and `connection` are the pool's own. Of a frozen object the text is kept for the next call. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** On a connection of its own, not on one that was used before. */
  readonly fresh?: boolean;
}

const CONNECT_MS = 10_000;
const IDLE_MS = 60_000;
const SWEEP_MS = 15_000;
const UNSAFE = /[\0-\x20\x7f]/;
const BREAK = /[\0\r\n]/;

/**
 * Keep-alive connections to one server. Ours, because `fetch` costs several times what nginx spends on a whole request
 * (docs/benchmarks.md): no promise for each piece, no object that nobody asked for, pieces are pushed as they come.
 * A request is sent once, never twice; whoever calls may try again on a `fresh` connection.
 */
export class ConnectionPool implements ConnectionOwner {
  readonly #target: ConnectTarget;
  readonly #host: string;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  #sweeper: ReturnType<typeof setInterval> | null = null;
  #closed = false;
  /** What was rendered last: nearly all calls are alike. */
  #lastCall: HttpCall | null = null;
  #lastHead = "";

  constructor(target: ConnectTarget) {
    this.#target = target;
    this.#host = "unix" in target ? "localhost" : hostOf(target.hostname, target.port);
  }

  /** Never rejects. The signal ends the exchange at any time, also in the middle of its body. */
  request(call: HttpCall, signal: CancelSignal): Promise<Result<EngineAnswer, NoAnswer>> {
    return this.ask(call, signal, (why) => why);
  }

  /** The same, with the reason why there is no answer in the caller's own words. */
  ask<Why>(call: HttpCall, signal: CancelSignal, explain: (why: NoAnswer) => Why): Promise<Result<EngineAnswer, Why>> {
    const exchange = new Exchange(signal, explain);
    if (signal.aborted) {
      exchange.cancel();
      return exchange.answered;
    }
    const head = this.#render(call);
    const body = call.body ?? null;
    const connection = call.fresh === true ? undefined : this.#pop();
    if (connection) connection.begin(exchange, head, body);
    else void this.#open(exchange, head, body);
    return exchange.answered;
  }

  /** Ends idle connections now and the others when their answer is whole or broken off. */
  close(): void {
    for (const connection of this.#idle.splice(0)) connection.hangUp();
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
    this.#closed = true;
  }

  /** Connections that are open, idle ones included. */
  get size(): number {
    return this.#all.size;
  }

  free(connection: Connection): void {
    if (this.#closed) {
      connection.hangUp();
      return;
    }
    connection.idleSinceMs = performance.now();
    this.#idle.push(connection);
    if (this.#sweeper !== null) return;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  gone(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** The one that was used last: the others may rest and be closed. */
  #pop(): Connection | undefined {
    let connection = this.#idle.pop();
    while (connection && !connection.usable) connection = this.#idle.pop();
    return connection;
  }

  #sweep(): void {
    const before = performance.now() - IDLE_MS;
    for (const connection of this.#idle.filter(({ idleSinceMs }) => idleSinceMs < before)) connection.hangUp();
    if (this.#idle.length > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  async #open<Why>(exchange: Exchange<Why>, head: string, body: Uint8Array | string | null): Promise<void> {
    const connection = new Connection(this);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      exchange.end(false, { kind: "refused", cause: "no connection within 10 s" });
    }, CONNECT_MS);
    try {
      const socket = await Bun.connect<Connection>({
        ...this.#target,
        data: connection,
        socket: HANDLERS,
      } as Parameters<typeof Bun.connect<Connection>>[0]);
      clearTimeout(timer);
      if (late || exchange.over) {
        socket.terminate();
        return;
      }
      socket.setNoDelay(true);
      this.#all.add(connection);
      connection.opened(socket);
      connection.begin(exchange, head, body);
    } catch (cause) {
      clearTimeout(timer);
      exchange.end(false, { kind: "refused", cause: codeOf(cause) });
    }
  }

  #render(call: HttpCall): string {
    if (!isSame(this.#lastCall, call)) {
      const { method, path, headers } = call;
      this.#lastHead = renderHead(call, this.#host);
      this.#lastCall = Object.isFrozen(headers) ? { method, path, headers } : null;
    }
    const { body } = call;
    if (body === undefined) return `${this.#lastHead}\r\n`;
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    return `${this.#lastHead}content-length: ${length}\r\n\r\n`;
  }
}

function isSame(known: HttpCall | null, { method, path, headers }: HttpCall): boolean {
  return known !== null && known.headers === headers && known.path === path && known.method === method;
}

/** Without the length of the body and the empty line. */
function renderHead({ method, path, headers }: HttpCall, host: string): string {
  if (UNSAFE.test(path)) throw new Error("a request's path has a control character or a space");
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? "";
    // A line break in a value would be a header of somebody else's making.
    if (BREAK.test(value)) throw new Error(`the value of ${name} has a line break`);
    head += `${name}: ${value}\r\n`;
  }
  return head;
}

const HANDLERS = {
  data: (socket: { data: Connection }, bytes: Buffer): void => socket.data.onData(bytes),
  drain: (socket: { data: Connection }): void => socket.data.onDrain(),
  end: (socket: { data: Connection }): void => socket.data.onClose(),
  close: (socket: { data: Connection }): void => socket.data.onClose(),
  error: (socket: { data: Connection }): void => socket.data.onClose(),
};

function hostOf(hostname: string, port: number): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
