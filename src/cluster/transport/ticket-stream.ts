import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import { splitAddress } from "../node-address.ts";
import { connectRaw } from "../raw-connect.ts";
import type { RawSocket } from "../raw-socket.ts";
import type { DirectWay } from "../ticket.ts";
import { firstLine } from "./accept-node.ts";
import { readFirstLine } from "./json-lines.ts";
import { tunnelAnswer } from "./tunnel-frames.ts";

/** The word of the first line of a connection from one worker to another. */
export const TICKET_WORD = "TICKET";

/** That line. After an `ok` (a `TunnelAnswer`) come the bytes of the service, both ways; of a file those from `from` on. */
export const ticketHello = z.strictObject({
  ticket: z.string().min(1).max(2_000),
  /** Which file of a model, and from which byte on. */
  part: z.number().int().nonnegative().max(9_999).optional(),
  from: z.number().int().nonnegative().optional(),
});
export type TicketHello = z.infer<typeof ticketHello>;

/** For TCP, TLS and the answer: whoever takes longer is not reached. */
const DIRECT_MS = 3_000;

/**
 * Opens a service of another node with the leader's ticket. All its addresses are asked at once and the first that
 * answers is taken. The error says for a person why none did.
 */
export async function openDirect(
  way: DirectWay,
  /** The certificate that the ticket is made out to. */
  own: { readonly certificate: string; readonly key: string },
  wish: Omit<TicketHello, "ticket">,
  signal: AbortSignal,
  limitMs = DIRECT_MS,
): Promise<Result<RawSocket, string>> {
  let taken = false;
  const decided = new AbortController();
  const limit = AbortSignal.any([signal, decided.signal, AbortSignal.timeout(limitMs)]);
  const tls = { pinned: way.certificate, own };
  const ask = async (address: string): Promise<RawSocket> => {
    const connected = await connectRaw({ ...splitAddress(address), tls }, limit);
    if (!connected.ok) throw new Error(connected.error.kind === "cancelled" ? "no answer" : connected.error.message);
    const socket = connected.value;
    socket.write(firstLine(TICKET_WORD, { ...wish, ticket: way.ticket } satisfies TicketHello));
    const answer = tunnelAnswer.safeParse(await readFirstLine(socket, limit)).data;
    if (answer !== undefined && "ok" in answer && !taken) {
      taken = true;
      return socket;
    }
    socket.destroy();
    throw new Error(answer !== undefined && "error" in answer ? answer.error.message : "no answer");
  };
  try {
    return ok(await Promise.any(way.addresses.map((address) => ask(address))));
  } catch (cause) {
    return err(reasonsOf(cause));
  } finally {
    decided.abort();
  }
}

function reasonsOf(cause: unknown): string {
  const causes: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return [...new Set(causes.map((one) => (one instanceof Error ? one.message : String(one))))].join(", ");
}
