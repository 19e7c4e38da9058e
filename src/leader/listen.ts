import type { Server } from "bun";
import type { ListenAddress } from "../config/listen.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { StartProblem } from "./start-problem.ts";

export interface ServerHandle {
  readonly port: number;
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

export type Handler = (request: Request, connection: Connection) => Response | Promise<Response>;

/** Above our own limit: the server's 413 has no body, ours is in the shape of the API. */
const SERVER_MAX_BODY_BYTES = 1024 * 1024 * 1024;

export function listen(handle: Handler, address: ListenAddress, tls: TlsFiles): Result<ServerHandle, StartProblem> {
  let server: Server<undefined>;
  try {
    server = Bun.serve({
      port: address.port,
      ...(address.host === "" ? {} : { hostname: address.host }),
      ...(tls.cert === "" ? {} : { tls: { cert: Bun.file(tls.cert), key: Bun.file(tls.key) } }),
      // Quiet streams and slow engines are watched by the gateway; Bun's own limit would cut them.
      idleTimeout: 0,
      maxRequestBodySize: SERVER_MAX_BODY_BYTES,
      fetch: (request) => handle(request, connection),
    });
  } catch (cause) {
    return err(explain(address, cause));
  }
  const connection: Connection = { peer: (request) => server.requestIP(request)?.address ?? null };
  return ok({
    port: server.port ?? address.port,
    async close(cut) {
      await Promise.race([server.stop(false), aborted(cut)]);
      await server.stop(true);
    },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function explain({ host, port }: ListenAddress, cause: unknown): StartProblem {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
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
