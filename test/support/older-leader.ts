import { decodeJwt, SignJWT } from "jose";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { openLeaderIdentity } from "../../src/cluster/leader-identity.ts";
import { NODE_PATHS, NODE_PROTOCOL } from "../../src/cluster/node-protocol.ts";
import { connectRaw } from "../../src/cluster/raw-connect.ts";
import { splice, type RawSocket } from "../../src/cluster/raw-socket.ts";
import { firstLine } from "../../src/cluster/transport/accept-node.ts";
import { writeLine } from "../../src/cluster/transport/json-lines.ts";
import { openNodePort } from "../../src/cluster/transport/node-port.ts";
import { TUNNEL_WORD } from "../../src/cluster/transport/tunnel-frames.ts";
import { pinnedFetch } from "../../src/worker/leader-client.ts";
import type { ClusterLeader } from "./start-cluster.ts";
import { temporaryDirectory } from "./start-flock.ts";

const BEFORE = NODE_PROTOCOL - 1;
const REFUSAL = {
  error: { code: "protocol", message: `protocol ${BEFORE} is spoken here`, mend: "flock update   # on the leader" },
};

export interface OlderLeader extends AsyncDisposable {
  /** A join token of the leader that leads here. */
  token(): Promise<string>;
  /** What today's protocol was refused for. */
  readonly refused: string[];
  /** What came through, in the words of the protocol before. */
  readonly passed: string[];
}

/**
 * Stands before a leader, with its certificate, as one of the protocol before: says so, refuses every frame of today's, and
 * passes on what is left as it came. So a worker has to speak as the version before did, and its leader to understand it.
 */
export async function olderLeader(leader: ClusterLeader): Promise<OlderLeader> {
  const opened = openLeaderIdentity(leader.dataDir, Date.now());
  if (!opened.ok) throw new Error(opened.error.message);
  const { certificate, certificateKey: key, nodePort, tokenSecret } = opened.value;
  const folder = temporaryDirectory();
  const refused: string[] = [];
  const passed: string[] = [];
  const address = (): string => `127.0.0.1:${port.ok ? port.value.port : 0}`;
  const isToday = (frame: unknown): boolean =>
    typeof frame === "object" && frame !== null && "protocol" in frame && frame.protocol === NODE_PROTOCOL;
  const answer = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const body = await request.text();
    if (body !== "" && isToday(JSON.parse(body))) {
      refused.push(pathname);
      return Response.json(REFUSAL, { status: 426 });
    }
    const headers = new Headers(request.headers);
    headers.delete("host");
    const said = await fetch(`https://127.0.0.1:${nodePort}${pathname}${search}`, {
      method: request.method,
      headers,
      keepalive: false,
      tls: pinnedFetch(certificate),
      ...(body === "" ? {} : { body }),
    });
    passed.push(pathname);
    if (pathname === NODE_PATHS.hello)
      return Response.json({ ...((await said.json()) as object), protocol: BEFORE, oldestProtocol: BEFORE });
    if (pathname !== NODE_PATHS.register || !said.ok) return said;
    // It is here at every address, as an older one would be.
    const told = (await said.json()) as { leader: object };
    return Response.json({ ...told, leader: { ...told.leader, addresses: [address()] } });
  };
  const tunnel = async (socket: RawSocket, text: string): Promise<void> => {
    const hello: unknown = JSON.parse(text);
    if (isToday(hello)) {
      refused.push(TUNNEL_WORD);
      writeLine(socket, REFUSAL);
      return socket.end();
    }
    const to = { host: "127.0.0.1", port: nodePort, tls: { pinned: certificate } };
    const through = await connectRaw(to, AbortSignal.timeout(10_000));
    if (!through.ok) return socket.destroy();
    passed.push(TUNNEL_WORD);
    through.value.write(firstLine(TUNNEL_WORD, hello));
    splice(socket, through.value);
  };
  const port = openNodePort({
    listen: { host: "127.0.0.1", port: 0, otherPorts: false },
    tls: { certificate, key, client: null },
    socket: join(folder, "http.sock"),
    fetch: answer,
    lines: { [TUNNEL_WORD]: (socket, text) => void tunnel(socket, text) },
  });
  if (!port.ok) throw new Error(port.error);
  return {
    async token() {
      const claims = { ...decodeJwt((await leader.invite()).token), addresses: [address()] };
      const secret = Buffer.from(tokenSecret, "base64url");
      return await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(secret);
    },
    refused,
    passed,
    async [Symbol.asyncDispose]() {
      await port.value.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
