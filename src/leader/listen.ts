import { codeOf } from "../core/error-code.ts";
import type { ListenAddress } from "../config/listen.ts";
import type { BufferedHandler } from "../core/buffered-request.ts";
import type { Reply } from "../core/reply.ts";
import { err, ok, type Result } from "../core/result.ts";
import { aborted } from "../core/wait.ts";
import { FrontServer } from "../http1/front-server.ts";
import type { StartProblem } from "./start-problem.ts";

export interface ServerHandle {
  readonly port: number;
  /** Takes no new connections from now on; those that are open are served. */
  quiet(): void;
  /** Before `close`, when a successor listens at the same port: no connection is lost between the two. */
  handOff(): Promise<void>;
  /** Takes no new requests, lets running ones end until the signal fires, then cuts them. */
  close(cut: AbortSignal): Promise<void>;
}

export interface TlsFiles {
  /** Paths of PEM files; "" for none. */
  readonly cert: string;
  readonly key: string;
}

/** What the handler is told of a request's connection. */
export interface Connection {
  readonly peer: (request: Request) => string | null;
}

/** Answers everything. */
export type Handler = (request: Request, connection: Connection) => Response | Promise<Response>;

/** Answers a plain request for this path (query cut off); null: `Handler` does. */
export type BufferedHandlers = (path: string) => BufferedHandler<Reply> | null;

export interface Handlers {
  readonly any: Handler;
  readonly buffered: BufferedHandlers;
}

/** Above our own limit: the server's 413 has no body, ours is in the shape of the API. */
const SERVER_MAX_BODY_BYTES = 1024 * 1024 * 1024;

/** A successor listens beside the one that makes room for it; elsewhere than on Linux that one has stopped before. */
export const LISTENS_BESIDE = process.platform === "linux";

/**
 * The client port: a front of our own for the requests that come by the thousand, and `Bun.serve` behind it for all
 * others (docs/decisions/0022-front-server.md). `takesOver`: another process of ours may still be
 * listening at this very port.
 */
export function listen(
  handlers: Handlers,
  address: ListenAddress,
  tls: TlsFiles,
  takesOver = false,
): Result<ServerHandle, StartProblem> {
  const inner = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    // Quiet streams and slow engines are watched by the gateway; Bun's own limit would cut them.
    idleTimeout: 0,
    maxRequestBodySize: SERVER_MAX_BODY_BYTES,
    fetch: (request) => handlers.any(request, connection),
  });
  let front: FrontServer;
  try {
    if (LISTENS_BESIDE && !takesOver && address.port !== 0) refuseTaken(address);
    front = openFront(handlers, address, tls, inner.port ?? 0);
  } catch (cause) {
    void inner.stop(true);
    return err(explain(address, cause));
  }
  const connection: Connection = {
    peer(request) {
      const at = inner.requestIP(request);
      return at === null ? null : (front.peerOf(at.port) ?? at.address);
    },
  };
  return ok({
    port: front.port,
    quiet: () => front.quiet(),
    handOff: () => front.handOff(),
    async close(cut) {
      const drained = front.drain();
      const answered = Promise.all([drained, inner.stop(false)]).then(() => front.flush(cut));
      await Promise.race([answered, aborted(cut)]);
      front.stop();
      await inner.stop(true);
    },
  });
}

/**
 * Throws when anybody listens there. Of two programs that both allow to share a port the kernel gives each a part of the
 * connections: somebody else's Flock would answer some of our clients.
 */
function refuseTaken({ port, host }: ListenAddress): void {
  const probe = (hostname: string): void =>
    Bun.listen({ port, hostname, exclusive: true, socket: { data: () => undefined } }).stop(true);
  if (host !== "") return probe(host);
  try {
    probe("::");
  } catch (cause) {
    if (codeOf(cause) === "EADDRINUSE" || codeOf(cause) === "EACCES") throw cause;
    probe("0.0.0.0");
  }
}

function openFront(handlers: Handlers, address: ListenAddress, tls: TlsFiles, innerPort: number): FrontServer {
  const open = (hostname: string): FrontServer =>
    new FrontServer({
      hostname,
      port: address.port,
      reusePort: LISTENS_BESIDE,
      innerPort,
      ...(tls.cert === "" ? {} : { tls: { cert: Bun.file(tls.cert), key: Bun.file(tls.key) } }),
      handlerOf({ method, target }) {
        const query = target.indexOf("?");
        return method === "POST" ? handlers.buffered(query < 0 ? target : target.slice(0, query)) : null;
      },
    });
  if (address.host !== "") return open(address.host);
  try {
    // Takes IPv4 as well.
    return open("::");
  } catch (cause) {
    if (codeOf(cause) === "EADDRINUSE" || codeOf(cause) === "EACCES") throw cause;
    return open("0.0.0.0");
  }
}

function explain({ host, port }: ListenAddress, cause: unknown): StartProblem {
  const code = codeOf(cause);
  const where = `${host === "" ? "port " : `${host}:`}${port}`;
  if (code === "EADDRINUSE") {
    return {
      kind: "port_busy",
      message: `${where} is in use by another program`,
      mend: `FLOCK_LISTEN=:${port + 1} flock up   # or find it: lsof -i :${port}`,
    };
  }
  if (code === "EACCES") {
    return { kind: "no_rights", message: `this user may not listen on ${where}`, mend: "FLOCK_LISTEN=:8080 flock up" };
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  return { kind: "address", message: `cannot listen on ${where}: ${why}`, mend: "FLOCK_LISTEN=:8080 flock up" };
}
