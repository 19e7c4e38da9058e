import type { Server } from "bun";
import type { Hono } from "hono";
import type { ListenAddress } from "../config/listen.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ServerEnv } from "../http/server-env.ts";
import type { StartProblem } from "./start-problem.ts";

export interface ServerHandle {
  readonly port: number;
  /** Takes no new requests, lets running ones end for at most `drainMs`, then cuts. */
  close(drainMs: number): Promise<void>;
}

export interface TlsFiles {
  /** Paths of PEM files; "" for none. */
  readonly cert: string;
  readonly key: string;
}

/** Above our own limit: the server's 413 has no body, ours is in the shape of the API. */
const SERVER_MAX_BODY_BYTES = 1024 * 1024 * 1024;

export function listen(app: Hono<ServerEnv>, address: ListenAddress, tls: TlsFiles): Result<ServerHandle, StartProblem> {
  let server: Server<undefined>;
  try {
    server = Bun.serve({
      port: address.port,
      ...(address.host === "" ? {} : { hostname: address.host }),
      ...(tls.cert === "" ? {} : { tls: { cert: Bun.file(tls.cert), key: Bun.file(tls.key) } }),
      // Quiet streams and slow engines are watched by the gateway; Bun's own limit would cut them.
      idleTimeout: 0,
      maxRequestBodySize: SERVER_MAX_BODY_BYTES,
      fetch: (request) => app.fetch(request, env),
    });
  } catch (cause) {
    return err(explain(address, cause));
  }
  const env = { peer: (request: Request) => server.requestIP(request)?.address ?? null };
  return ok({
    port: server.port ?? address.port,
    async close(drainMs) {
      const drained = server.stop(false);
      if (drainMs > 0) await Promise.race([drained, Bun.sleep(drainMs)]);
      await server.stop(true);
    },
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
