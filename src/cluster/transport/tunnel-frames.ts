import { z } from "zod";
import { AUDIENCE_PATTERN } from "../audience.ts";
import { NODE_PROTOCOL, type NodeRefusal, OLDEST_NODE_PROTOCOL } from "../node-protocol.ts";

/** `control`: one a worker, for pings and wishes. `exchange`: carries one connection of HTTP or bytes when it is needed. */
export type TunnelKind = "control" | "exchange";

/** The word of the first line of a connection that a worker dialled. */
export const TUNNEL_WORD = "TUNNEL";
/** The word of the first line of a byte stream to a service of a worker. */
export const STREAM_WORD = "STREAM";

/** What is signed of the first line: as a call of this method and path, without a body. */
export const TUNNEL_METHOD = "TUNNEL";
export const tunnelPath = (kind: TunnelKind): string => `/tunnel/${kind}`;
export const STREAM_METHOD = "STREAM";
export const streamPath = (service: string): string => `/stream/${service}`;

const kind = z.enum(["control", "exchange"]);
export const tunnelHello = z.strictObject({
  protocol: z.number().int().min(2),
  oldestProtocol: z.number().int().min(1),
  kind,
  signed: z.string(),
  /** To whom the leader makes its calls out; to one of protocol 3, which does not know it, it is not said. */
  audience: z.string().regex(AUDIENCE_PATTERN).optional(),
});
export type TunnelHello = z.infer<typeof tunnelHello>;

/** The leader's answer to a hello; after `ok` the connection is the leader's to use. */
export const tunnelAnswer = z.union([
  z.strictObject({ ok: z.literal(true), protocol: z.number().int() }),
  z.strictObject({
    error: z.object({ code: z.string(), message: z.string(), mend: z.string(), audience: z.string().optional() }),
  }),
]);
export type TunnelAnswer = z.infer<typeof tunnelAnswer>;

export function refusalLine({ code, message, mend, audience }: NodeRefusal): TunnelAnswer {
  return { error: { code, message, mend, ...(audience === undefined ? {} : { audience }) } };
}

/** Leader to worker, on the control connection. `want`: dial so many exchanges more. */
export const controlDown = z.union([
  z.strictObject({ ping: z.number().int() }),
  z.strictObject({ want: z.number().int().positive() }),
]);
/** Worker to leader. */
export const controlUp = z.strictObject({ pong: z.number().int() });

/** First line of a byte stream: which service, signed. */
export const streamHello = z.strictObject({ service: z.string().min(1).max(300), signed: z.string() });

/**
 * The protocol that two nodes speak, from what the caller speaks at most and at least. Null: none in common. Both ends
 * work it out from the same numbers.
 */
export function commonProtocol(theirs: { readonly protocol: number; readonly oldestProtocol: number }): number | null {
  const common = Math.min(theirs.protocol, NODE_PROTOCOL);
  return common >= Math.max(theirs.oldestProtocol, OLDEST_NODE_PROTOCOL) ? common : null;
}
