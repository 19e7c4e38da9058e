import { connect, createServer, type Socket } from "node:net";

/**
 * Run inside a network namespace: passes connections on from one address to another, byte for byte, as slowly as they are
 * read there, each piece later by so many ms. A Unix socket is seen from every namespace, so with one as `from` whoever
 * is outside gets in. Its one argument is a `RelayOrder`; `relaying` on standard output means that it listens.
 */
export interface RelayOrder {
  readonly from: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly to: { readonly host: string; readonly port: number };
  readonly delayMs: number;
}

/** What may be on its way in one direction of one connection. */
const MOST_BYTES = 64 * 1024;

function pass(from: Socket, to: Socket, delayMs: number): void {
  let underWay = 0;
  const later = (run: () => void): void => {
    if (delayMs === 0) run();
    else setTimeout(run, delayMs);
  };
  from.on("data", (chunk: Buffer) => {
    underWay += chunk.length;
    if (underWay > MOST_BYTES) from.pause();
    later(() =>
      to.write(chunk, () => {
        underWay -= chunk.length;
        if (underWay <= MOST_BYTES) from.resume();
      }),
    );
  });
  from.on("end", () => later(() => to.end()));
  from.on("close", () => {
    if (!from.readableEnded) later(() => to.destroy());
  });
  from.on("error", () => from.destroy());
}

if (import.meta.main) {
  const { from, to, delayMs } = JSON.parse(process.argv[2] ?? "{}") as RelayOrder;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true, noDelay: true });
    pass(near, far, delayMs);
    pass(far, near, delayMs);
  });
  server.listen(from, () => console.log("relaying"));
}
