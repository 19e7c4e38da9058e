import { statSync } from "node:fs";
import { isNodeService, type LinkFailure, type NodeOperation, type NodeService } from "../cluster/link.ts";
import { digestModel } from "../cluster/model-files.ts";
import { NODE_PROTOCOL, type NodeRefusal } from "../cluster/node-protocol.ts";
import { connectRaw } from "../cluster/raw-connect.ts";
import { type RawSocket, splice } from "../cluster/raw-socket.ts";
import { digestOfParts, type TicketClaims } from "../cluster/ticket.ts";
import { toByteStream } from "../cluster/transport/byte-stream.ts";
import { parseJson, writeLine } from "../cluster/transport/json-lines.ts";
import { type TicketHello, ticketHello } from "../cluster/transport/ticket-stream.ts";
import { refusalLine, type TunnelAnswer } from "../cluster/transport/tunnel-frames.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { LeaderCheck } from "./leader-check.ts";
import { partPath } from "./worker-files.ts";

const CONNECT_MS = 5_000;
const ASK_MS = 10_000;
/** A peer that takes no byte for so long is gone. */
const STALL_MS = 60_000;

export interface TicketDoorParts {
  readonly check: Pick<LeaderCheck, "ticket">;
  /** To this machine's agent. */
  readonly call: <Answer>(
    operation: NodeOperation<Answer>,
    signal: AbortSignal,
  ) => Promise<Result<Answer, LinkFailure>>;
  readonly portOf: (service: NodeService) => Promise<number | null>;
}

/** Takes connections of other workers: each to the one service that the leader's ticket names, and nothing else. */
export function ticketDoor(parts: TicketDoorParts): (socket: RawSocket, text: string, fingerprint: string) => void {
  const open = async (socket: RawSocket, text: string, fingerprint: string): Promise<void> => {
    const begun = await begin(parts, text, fingerprint);
    if (!begun.ok) {
      writeLine(socket, refusalLine(begun.error));
      return socket.end();
    }
    writeLine(socket, { ok: true, protocol: NODE_PROTOCOL } satisfies TunnelAnswer);
    await begun.value(socket);
  };
  return (socket, text, fingerprint) => {
    open(socket, text, fingerprint).catch(() => socket.destroy());
  };
}

/** What gives the service's bytes to the connection. */
type Serve = (socket: RawSocket) => Promise<void>;

async function begin(parts: TicketDoorParts, text: string, fingerprint: string): Promise<Result<Serve, NodeRefusal>> {
  const hello = ticketHello.safeParse(parseJson(text));
  if (!hello.success) return refuse("invalid", "the first line is no hello");
  const claims = parts.check.ticket(hello.data.ticket, fingerprint);
  if (!claims.ok) return claims;
  const { service } = claims.value;
  if (service.startsWith("file/")) return await serveFile(parts, claims.value, hello.data);
  const port = isNodeService(service) ? await parts.portOf(service) : null;
  if (port === null) return refuse("not_found", `there is no ${service} on this node`);
  const inner = await connectRaw({ host: "127.0.0.1", port }, AbortSignal.timeout(CONNECT_MS));
  if (!inner.ok) return refuse("not_found", `${service} cannot be reached: ${inner.error.message}`);
  return ok(async (socket) => splice(socket, inner.value));
}

async function serveFile(
  { call }: TicketDoorParts,
  { service, digest }: TicketClaims,
  { part = 0, from = 0 }: TicketHello,
): Promise<Result<Serve, NodeRefusal>> {
  const model = service.slice("file/".length);
  const limit = AbortSignal.timeout(ASK_MS);
  const here = await call(digestModel(model), limit);
  if (!here.ok) return refuse("not_found", here.error.message);
  if (here.value.parts === null) return refuse("unavailable", `the file of ${model} is still being read`);
  // The ticket is for those bytes, not for whatever lies under the name by now.
  if (digestOfParts(here.value.parts) !== digest)
    return refuse("conflict", `the file of ${model} is another one by now`);
  const path = await partPath(call, model, part, limit);
  const bytes = path === null ? undefined : statSync(path, { throwIfNoEntry: false })?.size;
  if (path === null || bytes === undefined) return refuse("not_found", `the file of ${model} is not there`);
  if (from > bytes) return refuse("invalid", `the file of ${model} has ${bytes} bytes`);
  return ok((socket) => sendFile(socket, path, from));
}

async function sendFile(socket: RawSocket, path: string, from: number): Promise<void> {
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), STALL_MS);
  const writer = toByteStream(socket, stalled.signal).writable.getWriter();
  try {
    for await (const chunk of Bun.file(path).slice(from).stream()) {
      await writer.write(chunk);
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(), STALL_MS);
    }
    await writer.close();
  } finally {
    clearTimeout(timer);
  }
}

function refuse(code: NodeRefusal["code"], message: string): Result<never, NodeRefusal> {
  return err({ code, message, mend: "flock node ls" });
}
