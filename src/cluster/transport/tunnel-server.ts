import type { Audience } from "../audience.ts";
import type { NodeRefusal } from "../node-protocol.ts";
import { NODE_PROTOCOL, OLDEST_NODE_PROTOCOL } from "../node-protocol.ts";
import type { RawSocket } from "../raw-socket.ts";
import type { CallerCheck } from "./caller-check.ts";
import { writeLine } from "./json-lines.ts";
import {
  commonProtocol,
  refusalLine,
  TUNNEL_METHOD,
  type TunnelAnswer,
  tunnelHello,
  tunnelPath,
} from "./tunnel-frames.ts";
import type { TunnelPool } from "./tunnel-pool.ts";

export interface TunnelServerParts {
  readonly callers: CallerCheck;
  /** Of a node that may be linked; null: its record has not come to the links yet. */
  readonly poolOf: (node: string) => TunnelPool | null;
  /** To whom calls to this node are made out from now on. */
  readonly heard: (node: string, audience: Audience) => void;
  readonly log: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Takes the connections that workers dial; gets the first line's text. */
export function tunnelServer({
  callers,
  poolOf,
  heard,
  log,
}: TunnelServerParts): (socket: RawSocket, text: string) => void {
  return (socket, text) => {
    const refuse = (refusal: NodeRefusal): void => {
      const { code, message } = refusal;
      // Those that call and call again have been named where they are known; who was made out to another comes again at once.
      if (code !== "clock_skew" && code !== "audience")
        log("a tunnel was refused", { code, why: message, peer: socket.peerAddress });
      writeLine(socket, refusalLine(refusal));
      socket.end();
    };
    const hello = tunnelHello.safeParse(parseJson(text)).data;
    if (hello === undefined) return refuse(INVALID);
    const { kind, signed } = hello;
    // A worker that was told of protocol 3 by a leader that has been updated since: it hears that from us.
    const named = hello.protocol >= 4;
    const caller = callers.check(signed, { method: TUNNEL_METHOD, path: tunnelPath(kind), body: null, named });
    if (!caller.ok) return refuse(caller.error);
    const protocol = commonProtocol(hello);
    if (protocol === null) return refuse(protocolRefusal(hello.protocol));
    const pool = poolOf(caller.value.node);
    if (pool === null) return refuse(NOT_YET);
    if (kind === "control") heard(caller.value.node, hello.audience ?? null);
    writeLine(socket, { ok: true, protocol } satisfies TunnelAnswer);
    if (kind === "control") pool.control(socket);
    else pool.dialled(socket);
  };
}

export function protocolRefusal(theirs: number): NodeRefusal {
  const [older, newer] = theirs < OLDEST_NODE_PROTOCOL ? ["worker", "leader"] : ["leader", "worker"];
  return {
    code: "protocol",
    message: `the ${older} is too old for the ${newer}: protocol ${theirs} asked, ${OLDEST_NODE_PROTOCOL} to ${NODE_PROTOCOL} spoken here`,
    mend: `flock update   # on the ${older}`,
  };
}

const INVALID: NodeRefusal = { code: "invalid", message: "the first line is no hello", mend: "flock update" };
const NOT_YET: NodeRefusal = { code: "unavailable", message: "the leader is just starting", mend: "flock status" };

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
