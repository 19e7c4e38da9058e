import type { MiddlewareHandler } from "hono";
import { NEW_ADMIN_KEY, refuse } from "./admin-error.ts";
import type { AdminEnv } from "./admin-env.ts";
import type { AdminDeps } from "./deps.ts";

/** The only two that a worker's key may call. All else is for admin keys, also routes that do not exist yet. */
const FOR_NODES: ReadonlySet<string> = new Set(["POST /admin/v1/nodes/register", "POST /admin/v1/nodes/heartbeat"]);

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Who is asking, and may they. */
export function authenticate(deps: AdminDeps): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    const found = deps.authenticate(secretOf(c.req.raw.headers));
    if (!found.ok) {
      c.header("www-authenticate", 'Bearer realm="flock"');
      return refuse(c, found.error);
    }
    const principal = found.value;
    const forNode = principal.scope === "node" && FOR_NODES.has(`${c.req.method} ${c.req.path}`);
    if (principal.scope !== "admin" && !forNode) {
      return refuse(c, { kind: "forbidden", what: "admin scope", mend: NEW_ADMIN_KEY });
    }
    c.set("principal", principal);
    return next();
  };
}

/** A page of another site can make a browser send a request here. There is no CORS, and nothing it sends may change anything. */
export function refuseOtherSites(deps: AdminDeps): MiddlewareHandler<AdminEnv> {
  const external = hostOf(deps.externalUrl);
  return async (c, next) => {
    const origin = c.req.header("origin");
    if (origin !== undefined && !READS.has(c.req.method)) {
      const host = hostOf(origin);
      // Behind a proxy, `host` is what the proxy calls us; the page was loaded from the external URL.
      if (host === null || (host !== c.req.header("host")?.toLowerCase() && host !== external)) {
        return refuse(c, {
          kind: "forbidden",
          what: "changes from a page of another site are refused",
          mend: "open the page under Flock's own address, or set external_url to the address that you open",
        });
      }
    }
    return next();
  };
}

function secretOf(headers: Headers): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "");
  return bearer?.[1] ?? headers.get("x-api-key");
}

/** `host` or `host:port` in lower case, as in a Host header; null for what is no http(s) URL, `null` among them. */
function hostOf(url: string): string | null {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return null;
  return new URL(url).host;
}
