import type { MiddlewareHandler } from "hono";
import { newRequestId } from "../../core/id.ts";
import type { ServerEnv } from "../server-env.ts";

const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

export function isLocalOrigin(origin: string): boolean {
  return LOCAL_HOST.test(origin.replace(/^https?:\/\//, ""));
}

/**
 * Without keys, listening on loopback is the only fence, and a web page in the user's browser is inside it: a foreign
 * page may post here, or reach us under its own name (DNS rebinding). So the host must be a loopback name, and a page's
 * origin, where the browser tells it, must be too.
 */
export const keylessGuard: MiddlewareHandler<ServerEnv> = async (context, next) => {
  const host = context.req.header("host") ?? "";
  const origin = context.req.header("origin");
  if (LOCAL_HOST.test(host) && (origin === undefined || isLocalOrigin(origin))) {
    await next();
    return;
  }
  const message = `Without keys Flock answers only to this machine's own pages and programs. Set auth.require_keys: true to use it as ${host.slice(0, 100)}.`;
  const requestId = newRequestId();
  return context.json(
    { error: { message, type: "insufficient_permissions", param: null, code: "insufficient_permissions" } },
    403,
    { "x-request-id": requestId },
  );
};
