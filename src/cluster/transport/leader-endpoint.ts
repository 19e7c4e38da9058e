import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import type { Result } from "../../core/result.ts";
import { isLinkKey } from "../link-key.ts";
import { fingerprintOf } from "../certificate.ts";
import type { JoinTokens } from "../join-tokens.ts";
import type { LeaderIdentity } from "../leader-identity.ts";
import type { NodeHandlers } from "../node-endpoint.ts";
import {
  heartbeatRequest,
  type HeartbeatRequest,
  heartbeatRequestV1,
  NODE_PATHS,
  NODE_PROTOCOL,
  type NodeRefusal,
  OLDEST_NODE_PROTOCOL,
  REFUSAL_STATUS,
  registerRequest,
  rotateRequest,
} from "../node-protocol.ts";
import { SIGNED_HEADER } from "../signed-call.ts";
import type { CallerCheck } from "./caller-check.ts";
import { commonProtocol } from "./tunnel-frames.ts";
import { protocolRefusal } from "./tunnel-server.ts";

/** A heartbeat of a node with many models is some 20 KB. */
const MAX_BODY_BYTES = 1024 * 1024;

export interface LeaderEndpointParts {
  readonly identity: LeaderIdentity;
  readonly version: string;
  readonly clock: Clock;
  readonly tokens: JoinTokens;
  readonly callers: CallerCheck;
  readonly handlers: NodeHandlers;
  /** Where other machines reach the node port now. */
  readonly addresses: () => readonly string[];
  readonly reportBug: (cause: unknown) => void;
}

/** The leader's HTTP for workers: who may call is decided here, what a call does is `NodeHandlers`' business. */
export function leaderEndpoint(parts: LeaderEndpointParts): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await route(request, parts);
    } catch (cause) {
      parts.reportBug(cause);
      return refuse({
        code: "unavailable",
        message: "internal error; its cause is in the leader's log",
        mend: "flock status",
      });
    }
  };
}

async function route(request: Request, parts: LeaderEndpointParts): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  if (request.method === "GET" && pathname === NODE_PATHS.hello) {
    const { identity, version, clock } = parts;
    const hello = { id: identity.id, protocol: NODE_PROTOCOL, oldestProtocol: OLDEST_NODE_PROTOCOL, version };
    return Response.json({ ...hello, at: clock.now() });
  }
  const body = await readBody(request);
  if (body === null) return refuse(invalid(`a body may have ${MAX_BODY_BYTES} bytes at most`));
  if (request.method === "POST" && pathname === NODE_PATHS.register) return await register(request, body, parts);
  const call = { method: request.method, path: pathname + search, body };
  const caller = parts.callers.check(request.headers.get(SIGNED_HEADER), call);
  if (!caller.ok) return refuse(caller.error);
  const from = { node: caller.value.node, peer: null };
  const { handlers } = parts;
  switch (request.method === "POST" ? pathname : "") {
    case NODE_PATHS.heartbeat: {
      const beat = parseHeartbeat(parseJson(body));
      if (!beat.ok) return refuse(beat.error);
      const answer = await handlers.heartbeat(beat.value.request, from);
      if (!answer.ok) return refuse(answer.error);
      // One of protocol 1 would refuse a field that it does not know.
      if (beat.value.protocol === 1) return Response.json({ heartbeatMs: answer.value.heartbeatMs });
      return Response.json({ ...answer.value, addresses: parts.addresses() });
    }
    case NODE_PATHS.leave:
      return empty(await handlers.leave(from));
    case NODE_PATHS.rotate: {
      const wish = rotateRequest.safeParse(parseJson(body));
      if (!wish.success) return refuse(invalid(z.prettifyError(wish.error)));
      const problem = keyProblem(wish.data.keys);
      return problem === null ? empty(await handlers.rotate(wish.data, from)) : refuse(problem);
    }
  }
  if (!pathname.startsWith("/admin/v1/")) {
    return refuse({ code: "not_found", message: `there is no ${request.method} ${pathname} here`, mend: "flock help" });
  }
  const { method, headers, signal } = request;
  const whole = new Request(request.url, { method, headers, signal, ...(body.length === 0 ? {} : { body }) });
  return await handlers.admin(whole, from);
}

async function register(request: Request, body: Uint8Array, parts: LeaderEndpointParts): Promise<Response> {
  const { tokens, handlers, identity, addresses } = parts;
  const wish = registerRequest.safeParse(parseJson(body));
  if (!wish.success) return refuse(unreadable(parseJson(body), z.prettifyError(wish.error)));
  const oldestProtocol = Math.min(wish.data.protocol, OLDEST_NODE_PROTOCOL);
  const protocol = commonProtocol({ protocol: wish.data.protocol, oldestProtocol });
  if (protocol === null) return refuse(protocolRefusal(wish.data.protocol));
  const problem = keyProblem(wish.data.keys);
  if (problem !== null) return refuse(problem);
  const [, bearer = ""] = /^Bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  // Last of all: a token is not spent on a request that could not be served anyway.
  const token = await tokens.redeem(bearer);
  if (!token.ok) return refuse(token.error);
  const registered = await handlers.register(wish.data, { peer: null, token: token.value.id });
  if (!registered.ok) return refuse(registered.error);
  const { linkKey, certificate } = identity;
  const leader = { id: identity.id, keys: { linkKey, certificate }, addresses: addresses() };
  return Response.json({ protocol, ...registered.value, leader });
}

/** A heartbeat of today's protocol or of the one before, as today's. */
export function parseHeartbeat(
  value: unknown,
): Result<{ readonly protocol: number; readonly request: HeartbeatRequest }, NodeRefusal> {
  const protocol = typeof value === "object" && value !== null && "protocol" in value ? value.protocol : null;
  if (protocol === 1) {
    const before = heartbeatRequestV1.safeParse(value);
    if (!before.success) return { ok: false, error: invalid(z.prettifyError(before.error)) };
    const unsaid = { version: "", load: [], utilisation: { cpu: null, gpu: null } };
    return { ok: true, value: { protocol, request: { ...before.data, ...unsaid, protocol: NODE_PROTOCOL } } };
  }
  const today = heartbeatRequest.safeParse(value);
  if (today.success) return { ok: true, value: { protocol: NODE_PROTOCOL, request: today.data } };
  return { ok: false, error: unreadable(value, z.prettifyError(today.error)) };
}

/** A frame of a protocol that nobody here speaks is that, and not a wrong one. */
function unreadable(value: unknown, why: string): NodeRefusal {
  const protocol = typeof value === "object" && value !== null && "protocol" in value ? value.protocol : null;
  const known = typeof protocol !== "number" || (protocol >= OLDEST_NODE_PROTOCOL && protocol <= NODE_PROTOCOL);
  return known ? invalid(why) : protocolRefusal(protocol);
}

function keyProblem(keys: { readonly linkKey: string; readonly certificate: string }): NodeRefusal | null {
  if (!isLinkKey(keys.linkKey)) return invalid("keys.linkKey is no X25519 key");
  try {
    fingerprintOf(keys.certificate);
    return null;
  } catch {
    return invalid("keys.certificate is no certificate");
  }
}

async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) return null;
  const bytes = await request.bytes();
  return bytes.length > MAX_BODY_BYTES ? null : bytes;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return null;
  }
}

function empty(done: Result<void, NodeRefusal>): Response {
  return done.ok ? Response.json({}) : refuse(done.error);
}

export function refuse({ code, message, mend }: NodeRefusal): Response {
  return Response.json({ error: { code, message, mend } }, { status: REFUSAL_STATUS[code] });
}

function invalid(message: string): NodeRefusal {
  return { code: "invalid", message, mend: "flock update   # where leader and worker are of different versions" };
}
