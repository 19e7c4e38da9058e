import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import type { Registered } from "../node-endpoint.ts";
import {
  NODE_PATHS,
  type NodeRefusal,
  OLDEST_NODE_PROTOCOL,
  registerAgainRequest,
  type RegisterAnswer,
  registerRequest,
} from "../node-protocol.ts";
import { SIGNED_HEADER } from "../signed-call.ts";
import type { LeaderEndpointParts } from "./leader-endpoint.ts";
import { keyProblem, parseJson, refuse, unreadable } from "./node-answer.ts";
import { commonProtocol } from "./tunnel-frames.ts";
import { protocolRefusal } from "./tunnel-server.ts";

/** A machine that joins: its join token is the bearer. */
export async function register(request: Request, body: Uint8Array, parts: LeaderEndpointParts): Promise<Response> {
  const wish = readWish(registerRequest, body);
  if (!wish.ok) return refuse(wish.error);
  const [, bearer = ""] = /^Bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  // Last of all: a token is not spent on a request that could not be served anyway.
  const token = await parts.tokens.redeem(bearer);
  if (!token.ok) return refuse(token.error);
  const registered = await parts.handlers.register(wish.value.wish, { peer: null, token: token.value.id });
  if (!registered.ok) return refuse(registered.error);
  return Response.json(await answerTo(registered.value, wish.value.protocol, parts));
}

/** A node that the leader has no record of, and that shows what the leader gave it when it joined. */
export async function registerAgain(request: Request, body: Uint8Array, parts: LeaderEndpointParts): Promise<Response> {
  const wish = readWish(registerAgainRequest, body);
  if (!wish.ok) return refuse(wish.error);
  const { proof, keys, machine } = wish.value.wish;
  const { linkKey } = keys;
  const proven = await parts.proofs.check(proof, { linkKey, machine });
  if (!proven.ok) return refuse(proven.error);
  const call = { method: "POST", path: NODE_PATHS.registerAgain, body };
  const held = parts.callers.holds({ node: proven.value.node, linkKey }, request.headers.get(SIGNED_HEADER), call);
  if (!held.ok) return refuse(held.error);
  const registered = await parts.handlers.registerAgain(wish.value.wish, proven.value);
  if (!registered.ok) return refuse(registered.error);
  return Response.json(await answerTo(registered.value, wish.value.protocol, parts));
}

function readWish<Wish extends { readonly protocol: number; readonly keys: { linkKey: string; certificate: string } }>(
  schema: z.ZodType<Wish>,
  body: Uint8Array,
): Result<{ readonly wish: Wish; readonly protocol: number }, NodeRefusal> {
  const value = parseJson(body);
  const wish = schema.safeParse(value);
  if (!wish.success) return err(unreadable(value, z.prettifyError(wish.error)));
  const oldestProtocol = Math.min(wish.data.protocol, OLDEST_NODE_PROTOCOL);
  const protocol = commonProtocol({ protocol: wish.data.protocol, oldestProtocol });
  if (protocol === null) return err(protocolRefusal(wish.data.protocol));
  const problem = keyProblem(wish.data.keys);
  return problem === null ? ok({ wish: wish.data, protocol }) : err(problem);
}

async function answerTo(
  { subject, heartbeatMs }: Registered,
  protocol: number,
  { identity, proofs, addresses }: LeaderEndpointParts,
): Promise<RegisterAnswer> {
  const { linkKey, certificate } = identity;
  const leader = { id: identity.id, keys: { linkKey, certificate }, addresses: [...addresses()] };
  return { protocol, node: subject.node, heartbeatMs, leader, proof: await proofs.issue(subject) };
}
