import { err, ok, type Result } from "../../core/result.ts";
import type { ByteStream, LinkFailure, NodeService } from "../link.ts";
import { connectRaw } from "../raw-connect.ts";
import { toByteStream } from "./byte-stream.ts";

/** A byte stream to a port of this machine. */
export async function connectToLocal(
  port: number | null,
  service: NodeService,
  signal: AbortSignal,
): Promise<Result<ByteStream, LinkFailure>> {
  if (port === null) return err(refusal(`there is no ${service} on this node`));
  const connected = await connectRaw({ host: "127.0.0.1", port }, signal);
  if (connected.ok) return ok(toByteStream(connected.value, signal));
  return err(refusal(`${service} cannot be reached: ${connected.error.message}`));
}

function refusal(message: string): LinkFailure {
  return { kind: "refused", message, mend: "flock status" };
}
