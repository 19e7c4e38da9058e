import type { MiddlewareHandler } from "hono";
import { NEW_ADMIN_KEY, refuse } from "./admin-error.ts";
import type { AdminEnv } from "./admin-env.ts";
import { type Principal, UNLIMITED } from "../../core/principal.ts";
import type { AdminDeps } from "./deps.ts";

/** These answer a key of scope node with where such calls go. All else is for admin keys, also routes that do not exist yet. */
const FOR_NODES: ReadonlySet<string> = new Set(["POST /admin/v1/nodes/register", "POST /admin/v1/nodes/heartbeat"]);

/**
 * What a command typed on a worker may ask, signed with the node's credential: to look at the cluster, and nothing that
 * changes it, shows who uses it, or shows settings. Whoever can read a worker's disk can do this much.
 */
const FOR_SIGNED_NODES: readonly RegExp[] = [
  /^\/admin\/v1\/(status|models|nodes|catalog|jobs|engines|aliases)$/,
  /^\/admin\/v1\/(nodes|jobs|engines)\/[^/]+$/,
  /^\/admin\/v1\/jobs\/[^/]+\/events$/,
];

const AT_THE_LEADER = "type it at the leader, or with an admin key: FLOCK_TOKEN=sk-orc-… and --url";

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Who is asking, and may they. */
export function authenticate(deps: AdminDeps): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    // Without bindings there is no object at all.
    const node = (c.env as AdminEnv["Bindings"] | undefined)?.node;
    if (node !== undefined) {
      if (c.req.method !== "GET" || !FOR_SIGNED_NODES.some((path) => path.test(c.req.path))) {
        return refuse(c, {
          kind: "forbidden",
          what: "a worker sees nodes, models, engines and jobs (it may look, not change)",
          mend: AT_THE_LEADER,
        });
      }
      c.set("principal", ofNode(node));
      return next();
    }
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

function ofNode(node: string): Principal {
  return {
    keyId: `node ${node}`,
    keyName: `node ${node}`,
    userId: `node ${node}`,
    scope: "node",
    limits: UNLIMITED,
    models: [],
    localOnly: true,
    expiresAt: null,
    priority: "interactive",
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
