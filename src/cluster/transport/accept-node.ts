import { connectRaw } from "../raw-connect.ts";
import { type RawSocket, splice } from "../raw-socket.ts";

/** How long a line may be with which a connection says that it is not HTTP. */
const MAX_LINE_BYTES = 8 * 1024;
const MARK = Buffer.from("FLOCK-");
/** A connection that says nothing, or half a line, is closed after so long. */
const FIRST_LINE_MS = 10_000;
const LOCAL_CONNECT_MS = 5_000;

/** What a connection between nodes may turn out to be. */
export interface NodeAccept {
  /** Unix socket of the HTTP server that gets everything else; null: that is closed. */
  readonly http: string | null;
  /** By the word after `FLOCK-` in its first line: gets the rest of that line. The connection is its own from then on. */
  readonly lines: Readonly<Record<string, (socket: RawSocket, text: string) => void>>;
  /** Called once, when it is clear what the connection is, or it has ended before. */
  readonly settled?: () => void;
}

/**
 * Looks at the first bytes of a connection. `FLOCK-<word> <text>` and a line end hand it to whoever takes that word;
 * anything else is HTTP, and goes to the server as it is.
 */
export function acceptNode(socket: RawSocket, to: NodeAccept): void {
  let seen: Uint8Array = new Uint8Array();
  const timer = setTimeout(() => socket.destroy(), FIRST_LINE_MS);
  let open = true;
  const settle = (): void => {
    clearTimeout(timer);
    if (open) to.settled?.();
    open = false;
  };
  socket.attach({
    data(chunk) {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const common = Math.min(seen.length, MARK.length);
      if (!MARK.subarray(0, common).equals(seen.subarray(0, common))) {
        if (to.http === null) return socket.destroy();
        settle();
        socket.detach(seen);
        void toHttp(socket, to.http);
        return;
      }
      const end = seen.indexOf(0x0a);
      if (end < 0 && seen.length <= MAX_LINE_BYTES) return;
      const line = Buffer.from(seen.subarray(MARK.length, Math.max(end, 0))).toString("utf8");
      const [word = "", ...rest] = line.split(" ");
      const take = to.lines[word];
      if (take === undefined) return socket.destroy();
      settle();
      socket.detach(seen.subarray(end + 1));
      take(socket, rest.join(" "));
    },
    close: settle,
  });
}

/** The first line of a connection that is not HTTP. */
export function firstLine(word: string, value: unknown): Uint8Array {
  return Buffer.from(`FLOCK-${word} ${JSON.stringify(value)}\n`);
}

async function toHttp(socket: RawSocket, unix: string): Promise<void> {
  const inner = await connectRaw({ unix }, AbortSignal.timeout(LOCAL_CONNECT_MS));
  if (inner.ok) splice(socket, inner.value);
  else socket.destroy();
}
