import { chmodSync, rmSync } from "node:fs";
import { codeOf } from "../../core/error-code.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { type ListenPlace, listenRaw, type RawListener } from "../raw-listener.ts";
import type { RawSocket } from "../raw-socket.ts";
import { acceptNode } from "./accept-node.ts";

/** Bun keeps to it on a Unix socket, though its types say that only TCP has it. */
const NO_IDLE_TIMEOUT: object = { idleTimeout: 0 };
const MAX_BODY_BYTES = 128 * 1024 * 1024;
/** Guests that have not said yet what they want; whoever comes beyond that is closed. */
const MOST_UNKNOWN_GUESTS = 64;
/** Where the port of choice is taken, how many after it are tried. */
const MORE_PORTS = 20;

export interface NodePortParts {
  /** Host, "" for every interface, and the port; null: nothing listens, connections come in other ways. */
  readonly listen: { readonly host: string; readonly port: number; readonly otherPorts: boolean } | null;
  readonly tls: { readonly certificate: string; readonly key: string; readonly client: string | null };
  /** Unix socket for the HTTP that comes in. */
  readonly socket: string;
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly lines: Readonly<Record<string, (socket: RawSocket, text: string) => void>>;
  /**
   * Where only `tls.client` may come: what somebody else may, by the first line. Gets the fingerprint of the certificate
   * that was shown. Absent: nobody else gets in.
   */
  readonly guests?: Readonly<Record<string, (socket: RawSocket, text: string, fingerprint: string) => void>>;
}

type PortTls = Extract<ListenPlace, { tls: unknown }>["tls"];

export interface NodePort {
  /** 0: nothing listens. */
  readonly port: number;
  /** For a connection that came in another way: a tunnel. */
  accept(socket: RawSocket): void;
  /** Takes no new connections, so that another process can listen there; those that are open are served. */
  quiet(): void;
  /** Listens again at the same port, after `quiet`. */
  listenAgain(): Result<void, string>;
  /** After `quiet`: what runs may end, and whoever would call again is sent to the one who listens now. */
  release(): void;
  /** New connections see this certificate; those that are open stay. */
  show(certificate: string, key: string): void;
  close(): Promise<void>;
}

/** A port for other nodes: TLS, HTTP to `fetch`, and connections of our own kind by their first line. */
export function openNodePort(parts: NodePortParts): Result<NodePort, string> {
  rmSync(parts.socket, { force: true });
  const server = Bun.serve({
    unix: parts.socket,
    ...NO_IDLE_TIMEOUT,
    maxRequestBodySize: MAX_BODY_BYTES,
    fetch: (request) => parts.fetch(request),
  });
  chmodSync(parts.socket, 0o600);
  const accept = (socket: RawSocket): void => acceptNode(socket, { http: parts.socket, lines: parts.lines });
  const closeServer = async (): Promise<void> => {
    await server.stop(true);
    rmSync(parts.socket, { force: true });
  };
  const { guests } = parts;
  const tls = { ...parts.tls, ...(guests === undefined ? {} : { guest: guestDoor(guests) }) };
  const listening = parts.listen === null ? ok(null) : listenSomewhere(parts.listen, tls, accept);
  if (!listening.ok) {
    void closeServer();
    return listening;
  }
  let listener = listening.value;
  const port = listener?.port ?? 0;
  return ok({
    port,
    accept,
    quiet() {
      listener?.stop(false);
      listener = null;
    },
    listenAgain() {
      if (parts.listen === null || listener !== null) return ok(undefined);
      const again = listenSomewhere({ ...parts.listen, port, otherPorts: false }, tls, accept);
      if (!again.ok) return again;
      listener = again.value;
      return ok(undefined);
    },
    // Idle connections end with it, and theirs to the worker.
    release: () => void server.stop(false),
    show(certificate, key) {
      if (listener === null || parts.listen === null) return;
      listener.stop(false);
      listener = listenAt(parts.listen.host, port, { ...tls, certificate, key }, accept);
    },
    async close() {
      listener?.stop(true);
      await closeServer();
    },
  });
}

function guestDoor(guests: NonNullable<NodePortParts["guests"]>): (socket: RawSocket, fingerprint: string) => void {
  let unknown = 0;
  return (socket, fingerprint) => {
    if (unknown >= MOST_UNKNOWN_GUESTS) return socket.destroy();
    unknown += 1;
    const lines = Object.entries(guests).map(([word, take]) => [
      word,
      (guest: RawSocket, text: string) => take(guest, text, fingerprint),
    ]);
    const settled = (): void => {
      unknown -= 1;
    };
    acceptNode(socket, { http: null, lines: Object.fromEntries(lines), settled });
  };
}

function listenSomewhere(
  { host, port, otherPorts }: NonNullable<NodePortParts["listen"]>,
  tls: PortTls,
  accept: (socket: RawSocket) => void,
): Result<RawListener, string> {
  const last = otherPorts && port !== 0 ? Math.min(port + MORE_PORTS, 65_535) : port;
  for (let tried = port; ; tried++) {
    try {
      return ok(listenAt(host, tried, tls, accept));
    } catch (cause) {
      const busy = codeOf(cause) === "EADDRINUSE";
      if (busy && tried < last) continue;
      return err(busy ? `port ${tried} is in use by another program` : String(cause));
    }
  }
}

function listenAt(host: string, port: number, tls: PortTls, accept: (socket: RawSocket) => void): RawListener {
  if (host !== "") return listenRaw({ host, port, tls }, accept);
  try {
    return listenRaw({ host: "::", port, tls }, accept);
  } catch (cause) {
    if (codeOf(cause) === "EADDRINUSE") throw cause;
    // Where IPv6 is switched off there is no "::".
    return listenRaw({ host: "0.0.0.0", port, tls }, accept);
  }
}
