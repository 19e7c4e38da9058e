import type { Hono } from "hono";
import { authenticate } from "../../gateway/authenticate.ts";
import type { Authenticator } from "../../gateway/ports.ts";
import { toErrorResponse } from "../../dialect/failure-shape.ts";
import { newRequestId } from "../../core/id.ts";
import type { ServerEnv } from "../server-env.ts";

/** One line each, without secrets. */
export interface Health {
  /** Why requests should go elsewhere; empty: ready. */
  readonly problems: readonly string[];
  /** What somebody should mend while requests are served. */
  readonly warnings: readonly string[];
}

export interface HealthDeps {
  readonly health: () => Health;
  readonly renderMetrics: () => Promise<{ contentType: string; text: string }>;
  readonly keys: Authenticator;
}

export function mountHealth(app: Hono<ServerEnv>, deps: HealthDeps): void {
  const headers = () => ({ "x-request-id": newRequestId() });
  app.get("/healthz", (context) => context.json({ status: "ok" }, 200, headers()));
  app.get("/readyz", (context) => {
    const { problems, warnings } = deps.health();
    if (problems.length > 0) return context.json({ status: "not ready", problems, warnings }, 503, headers());
    return context.json({ status: "ready", ...(warnings.length > 0 ? { warnings } : {}) }, 200, headers());
  });
  app.get("/metrics", async (context) => {
    const { raw } = context.req;
    const peer = context.env?.peer?.(raw) ?? null;
    // A scraper on this machine needs no key; one from elsewhere, or behind a proxy, sends any valid one.
    if (!isLoopback(peer) || raw.headers.has("x-forwarded-for") || raw.headers.has("forwarded")) {
      const principal = authenticate(deps.keys, raw.headers);
      if (!principal.ok) {
        const shape = toErrorResponse("openai", principal.error, newRequestId());
        return new Response(shape.body, { status: shape.status, headers: shape.headers });
      }
    }
    const { contentType, text } = await deps.renderMetrics();
    return new Response(text, { headers: { "content-type": contentType, ...headers() } });
  });
}

function isLoopback(address: string | null): boolean {
  if (address === null) return false;
  return address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}
