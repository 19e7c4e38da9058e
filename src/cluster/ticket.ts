import { timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { err, ok, type Result } from "../core/result.ts";
import type { NodeRefusal } from "./node-protocol.ts";

/** How long a ticket may be used; as far as the clocks of leader and worker may be apart, so that it always works at first. */
export const TICKET_TTL_MS = 5 * 60_000;

/** What a ticket allows: one node to come to one service of one other node, until then. */
const ticketClaims = z.strictObject({
  /** The node that serves. */
  node: z.string().min(1).max(64),
  /** The node that may come. */
  caller: z.string().min(1).max(64),
  /** SHA-256 of that one's certificate: in other hands the ticket is of no use. */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  /** See `TicketService`. */
  service: z.string().min(3).max(400),
  /** Of a model's files: `digestOfParts`. Null: the service is no file. */
  digest: z.string().nullable(),
  /** Epoch ms. */
  expiresAt: z.number().int(),
});
export type TicketClaims = z.infer<typeof ticketClaims>;

/** All that a node needs to reach a service of another by itself; the leader tells it. */
export const directWay = z.strictObject({
  node: z.string().min(1).max(64),
  /** `host:port` of its node port, the likeliest first. */
  addresses: z.array(z.string().min(3).max(300)).min(1).max(32),
  /** By which it is known (PEM). */
  certificate: z.string().min(100).max(4_000),
  ticket: z.string().min(1).max(2_000),
});
export type DirectWay = z.infer<typeof directWay>;

/** One checksum for all files of a model. */
export function digestOfParts(parts: readonly { readonly sha256: string }[]): string {
  return new Bun.CryptoHasher("sha256").update(parts.map(({ sha256 }) => sha256).join("\n")).digest("hex");
}

/** `key`: `SigningKeys.tickets` of the link between the leader and the node that serves. */
export function issueTicket(claims: TicketClaims, key: Uint8Array): string {
  const text = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${text}.${macOf(key, text)}`;
}

export interface TicketBearer {
  readonly node: string;
  /** Of the certificate that was shown. */
  readonly fingerprint: string;
  readonly now: number;
}

/** What a ticket allows whoever shows it here. `node`: this one. The signature comes first: of a forged one nothing else is told. */
export function readTicket(
  ticket: string,
  key: Uint8Array,
  { node, fingerprint, now }: TicketBearer,
): Result<TicketClaims, NodeRefusal> {
  const [text = "", mac = ""] = ticket.split(".");
  const wanted = Buffer.from(macOf(key, text));
  const shown = Buffer.from(mac);
  if (shown.length !== wanted.length || !timingSafeEqual(shown, wanted))
    return err(refusal("signature", "the ticket is not one of this node's leader"));
  const parsed = ticketClaims.safeParse(JSON.parse(Buffer.from(text, "base64url").toString("utf8")));
  if (!parsed.success) return err(refusal("invalid", "the ticket is of another version of Flock"));
  const claims = parsed.data;
  if (claims.node !== node) return err(refusal("signature", "the ticket is for another node"));
  if (claims.fingerprint !== fingerprint) return err(refusal("signature", "the ticket is another node's"));
  if (claims.expiresAt <= now) return err(refusal("token_expired", "the ticket has expired"));
  return ok(claims);
}

function refusal(code: NodeRefusal["code"], message: string): NodeRefusal {
  return { code, message, mend: "flock status   # at the leader, which gives tickets" };
}

function macOf(key: Uint8Array, text: string): string {
  return new Bun.CryptoHasher("sha256", key).update(`flock-ticket\n${text}`).digest("base64url");
}
