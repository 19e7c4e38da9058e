import { isLocalOrigin } from "./middleware/keyless-guard.ts";

const DAY_S = 86_400;

/**
 * Web pages may call the client APIs with a key of theirs: nothing here lets a browser in by cookie, so any origin is
 * as good as any program. Without keys only this machine's own pages are let in (see `keyless-guard.ts`). The admin API
 * and the dashboard, which sign in by cookie, are for their own origin only.
 */
export interface Cors {
  /** The answer to a browser's question before a request; null: it asks none, or about what is not for pages. */
  preflight(request: Request, path: string): Response | null;
  /** Tells the browser that the page may read the answer. Costs one look where no page asks. */
  admit(request: Request, response: Response): Response;
}

export function cors(keyless: boolean): Cors {
  const allowed = (origin: string): string | null => {
    if (!keyless) return "*";
    return isLocalOrigin(origin) ? origin : null;
  };
  return {
    preflight(request, path) {
      const { headers } = request;
      const origin = headers.get("origin");
      if (request.method !== "OPTIONS" || origin === null || !headers.has("access-control-request-method")) return null;
      const by = allowed(origin);
      if (by === null || isOwnPage(path)) return null;
      const answer: Record<string, string> = {
        "access-control-allow-origin": by,
        "access-control-allow-methods": "GET, HEAD, POST, DELETE, OPTIONS",
        // A star would leave `authorization` out.
        "access-control-allow-headers": headers.get("access-control-request-headers") ?? "*",
        "access-control-max-age": String(DAY_S),
        vary: "origin, access-control-request-headers",
      };
      if (headers.has("access-control-request-private-network"))
        answer["access-control-allow-private-network"] = "true";
      return new Response(null, { status: 204, headers: answer });
    },
    admit(request, response) {
      const origin = request.headers.get("origin");
      const by = origin === null ? null : allowed(origin);
      if (by === null || isOwnPage(new URL(request.url).pathname)) return response;
      response.headers.set("access-control-allow-origin", by);
      response.headers.set("access-control-expose-headers", "*");
      if (by !== "*") response.headers.append("vary", "origin");
      return response;
    },
  };
}

function isOwnPage(path: string): boolean {
  return /^\/(admin|ui|openapi\.json|metrics)(\/|$)/.test(path);
}
