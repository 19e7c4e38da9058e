import { codeOf } from "../core/error-code.ts";
import { type CancelSignal, toAbortSignal } from "../core/cancellation.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import type { EngineStatus } from "../core/node.ts";
import { err, ok, type Result } from "../core/result.ts";
import { ConnectionPool, type HttpCall } from "../http1/connection-pool.ts";
import type { LinkRequest } from "./link.ts";

type Headers = Readonly<Record<string, string>>;
type Engine = Pick<EngineStatus, "id" | "endpoint" | "secret" | "start">;

const NO_HEADERS: Headers = Object.freeze({});

/** The way to one endpoint. */
interface Way {
  readonly pool: ConnectionPool;
  readonly prefix: string;
  /** What was sent last with a secret: the same headers make the same object, see `HttpCall`. */
  last: { readonly given: Headers; readonly secret: string; readonly headers: Headers } | null;
}

/** The connections to the engines of one machine, kept open between requests. */
export class EngineConnections {
  readonly #ways = new Map<string, Way>();

  /** HTTP to an engine, with its secret. The body streams and stays as it was sent. */
  fetch(engine: Engine, request: LinkRequest, signal: CancelSignal): Promise<Result<EngineAnswer, Failure>> {
    if (signal.aborted) return Promise.resolve(err({ kind: "cancelled" }));
    const given = request.headers ?? NO_HEADERS;
    // TLS to an engine that somebody put behind a proxy is rare: Bun's own client knows it well.
    if (!engine.endpoint.startsWith("http://"))
      return fetchOverTls(engine, request, withSecret(given, engine.secret), toAbortSignal(signal));
    const way = this.#wayTo(engine.endpoint);
    const { method, path, body, fresh = false } = request;
    const { pool, prefix } = way;
    const headers = headersOn(way, given, engine.secret);
    const call: HttpCall = { method, path: prefix === "" ? path : prefix + path, headers, fresh, body };
    return pool.ask(call, signal, ({ kind, cause }) => {
      if (kind === "cancelled") return { kind };
      return kind === "refused" ? unreachable(engine) : broken(engine, cause);
    });
  }

  /** Keeps the connections to these endpoints only: an engine that started anew has another port. */
  keep(endpoints: ReadonlySet<string>): void {
    for (const [endpoint, { pool }] of this.#ways) {
      if (endpoints.has(endpoint)) continue;
      this.#ways.delete(endpoint);
      pool.close();
    }
  }

  close(): void {
    this.keep(new Set());
  }

  #wayTo(endpoint: string): Way {
    let known = this.#ways.get(endpoint);
    if (known === undefined) {
      const { hostname, port, pathname } = new URL(endpoint);
      const target = { hostname: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
      known = { pool: new ConnectionPool(target), prefix: pathname.replace(/\/+$/, ""), last: null };
      this.#ways.set(endpoint, known);
    }
    return known;
  }
}

function headersOn(way: Way, given: Headers, secret: string): Headers {
  if (secret === "") return given;
  if (way.last?.given === given && way.last.secret === secret) return way.last.headers;
  const headers = withSecret(given, secret);
  // What may be changed by whoever gave it is no sign that the next call has the same.
  if (Object.isFrozen(given)) way.last = { given, secret, headers: Object.freeze(headers) };
  return headers;
}

function withSecret(given: Headers, secret: string): Headers {
  return secret === "" ? given : { ...given, authorization: `Bearer ${secret}` };
}

async function fetchOverTls(
  engine: Engine,
  { method, path, body, fresh }: LinkRequest,
  headers: Headers,
  signal: AbortSignal,
): Promise<Result<EngineAnswer, Failure>> {
  try {
    const answer = await fetch(engine.endpoint + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      signal,
      // A model may think for longer than any default: whoever calls sets the limit, by the signal.
      timeout: false,
      // An engine may close an idle connection at the moment in which it is used again: whoever calls may repeat then.
      keepalive: fresh !== true,
      decompress: false,
      redirect: "manual",
    });
    return ok(answer);
  } catch (error) {
    if (signal.aborted) return err({ kind: "cancelled" });
    const code = codeOf(error);
    return err(REFUSED.has(code) ? unreachable(engine) : broken(engine, code));
  }
}

/** Nobody listens: nothing was begun. */
function unreachable({ id, endpoint, start }: Engine): Failure {
  return { kind: "engine_unreachable", engine: id, endpoint, start };
}

/** A connection that broke: work may have been done. */
function broken({ id }: Engine, cause: string): Failure {
  return {
    kind: "engine_failed",
    engine: id,
    cause: `closed the connection before it answered${cause && ` (${cause})`}`,
  };
}

const REFUSED: ReadonlySet<string> = new Set(["ECONNREFUSED", "ConnectionRefused", "FailedToOpenSocket"]);
