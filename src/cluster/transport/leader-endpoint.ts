import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { JoinTokens } from "../join-tokens.ts";
import type { LeaderIdentity } from "../leader-identity.ts";
import type { NodeHandlers } from "../node-endpoint.ts";
import {
  heartbeatRequest,
  type HeartbeatRequest,
  heartbeatRequestV3,
  NODE_PATHS,
  NODE_PROTOCOL,
  type NodeRefusal,
  OLDEST_NODE_PROTOCOL,
  rotateRequest,
} from "../node-protocol.ts";
import type { RegistrationProofs } from "../registration-proof.ts";
import { SIGNED_HEADER } from "../signed-call.ts";
import type { CallerCheck } from "./caller-check.ts";
import { invalid, keyProblem, parseJson, refuse, unreadable } from "./node-answer.ts";
import { register, registerAgain } from "./register-node.ts";

/** A heartbeat of a node with many models is some 20 KB. */
const MAX_BODY_BYTES = 1024 * 1024;

export interface LeaderEndpointParts {
  readonly identity: LeaderIdentity;
  readonly version: string;
  readonly clock: Clock;
  readonly tokens: JoinTokens;
  readonly proofs: RegistrationProofs;
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
    return Response.json({ ...hello, at: clock.now(), audience: parts.callers.audience });
  }
  const body = await readBody(request);
  if (body === null) return refuse(invalid(`a body may have ${MAX_BODY_BYTES} bytes at most`));
  if (request.method === "POST" && pathname === NODE_PATHS.register) return await register(request, body, parts);
  if (request.method === "POST" && pathname === NODE_PATHS.registerAgain)
    return await registerAgain(request, body, parts);
  const call = { method: request.method, path: pathname + search, body };
  const caller = parts.callers.check(request.headers.get(SIGNED_HEADER), call);
  if (!caller.ok) return refuse(caller.error);
  const from = { node: caller.value.node, peer: null };
  const { handlers } = parts;
  switch (request.method === "POST" ? pathname : "") {
    case NODE_PATHS.heartbeat: {
      const beat = parseHeartbeat(parseJson(body));
      if (!beat.ok) return refuse(beat.error);
      const answer = await handlers.heartbeat(beat.value, from);
      if (!answer.ok) return refuse(answer.error);
      return Response.json({ ...answer.value, addresses: parts.addresses() });
    }
    case NODE_PATHS.leave:
      return empty(await handlers.leave(from));
    case NODE_PATHS.rotate: {
      const wish = rotateRequest.safeParse(parseJson(body));
      if (!wish.success) return refuse(invalid(z.prettifyError(wish.error)));
      const problem = keyProblem(wish.data.keys);
      if (problem !== null) return refuse(problem);
      const rotated = await handlers.rotate(wish.data, from);
      if (!rotated.ok) return refuse(rotated.error);
      return Response.json({ proof: await parts.proofs.issue(rotated.value) });
    }
  }
  if (!pathname.startsWith("/admin/v1/")) {
    return refuse({ code: "not_found", message: `there is no ${request.method} ${pathname} here`, mend: "flock help" });
  }
  const { method, headers, signal } = request;
  const whole = new Request(request.url, { method, headers, signal, ...(body.length === 0 ? {} : { body }) });
  return await handlers.admin(whole, from);
}

/** A heartbeat of today's protocol or of the one before, as today's. */
function parseHeartbeat(value: unknown): Result<HeartbeatRequest, NodeRefusal> {
  // Looked at first: a beat of many models is not worth being checked twice.
  const old = typeof value === "object" && value !== null && "protocol" in value && value.protocol === 3;
  const read = (old ? heartbeatRequestV3 : heartbeatRequest).safeParse(value);
  if (read.success) return ok({ ...read.data, protocol: NODE_PROTOCOL });
  return err(unreadable(value, z.prettifyError(read.error)));
}

async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) return null;
  const bytes = await request.bytes();
  return bytes.length > MAX_BODY_BYTES ? null : bytes;
}

function empty(done: Result<void, NodeRefusal>): Response {
  return done.ok ? Response.json({}) : refuse(done.error);
}
