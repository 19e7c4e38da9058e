import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectRaw } from "../raw-connect.ts";
import { listenRaw, type RawListener } from "../raw-listener.ts";
import type { RawSocket } from "../raw-socket.ts";
import { readFirstLine, writeLine } from "./json-lines.ts";
import { TUNNEL_TIMES, TunnelPool, type TunnelTimes } from "./tunnel-pool.ts";

let dir: string;
let closed: (() => void)[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "flock-pool-"));
  closed = [];
});
afterEach(() => {
  for (const close of closed) close();
  rmSync(dir, { recursive: true });
});

function openPool(name: string, times: Partial<TunnelTimes> = {}): TunnelPool {
  const pool = new TunnelPool({
    socket: join(dir, name),
    times: { ...TUNNEL_TIMES, ...times },
    onChange: () => undefined,
  });
  closed.push(() => pool.close());
  return pool;
}

/** What a worker dials: each connection is given to the pool in the role that the worker gave it. */
function door(pool: TunnelPool): RawListener & { readonly path: string } {
  const path = `${pool.path}-door`;
  const listener = listenRaw({ unix: path }, (socket) => {
    void readFirstLine(socket, AbortSignal.timeout(5_000)).then((kind) =>
      kind === "control" ? pool.control(socket) : pool.dialled(socket),
    );
  });
  closed.push(() => listener.stop(true));
  return Object.assign(listener, { path });
}

async function dial(unix: string, kind: "control" | "exchange"): Promise<RawSocket> {
  const connected = await connectRaw({ unix }, AbortSignal.timeout(5_000));
  if (!connected.ok) throw new Error(connected.error.message);
  writeLine(connected.value, kind);
  return connected.value;
}

async function ask(pool: TunnelPool, word: string): Promise<RawSocket> {
  const connected = await connectRaw({ unix: pool.path }, AbortSignal.timeout(5_000));
  if (!connected.ok) throw new Error(connected.error.message);
  writeLine(connected.value, word);
  return connected.value;
}

/** A worker that gives each exchange its own words back. */
async function echo(unix: string): Promise<void> {
  const socket = await dial(unix, "exchange");
  writeLine(socket, `${String(await readFirstLine(socket, AbortSignal.timeout(5_000)))} back`);
}

const answerOf = (socket: RawSocket): Promise<unknown> => readFirstLine(socket, AbortSignal.timeout(5_000));
const untilClosed = (socket: RawSocket): Promise<void> =>
  new Promise((resolve) => socket.attach({ data: () => undefined, close: resolve }));

test("after another leader took over, exchanges of the one before go through the connections that the worker dials there", async () => {
  const before = openPool("before");
  const after = openPool("after");
  const control = await dial(door(before).path, "control");
  const waits = await ask(before, "waits");
  // The pool asks its worker for a connection once it has seen the exchange.
  expect(await answerOf(control)).toEqual({ want: 1 });
  before.release(after.path);
  const later = await ask(before, "later");
  expect(before.alive).toBe(true);

  // Only now has the worker found its way to the new one.
  const { path } = door(after);
  const second = await dial(path, "control");
  expect(await answerOf(second)).toEqual({ want: expect.any(Number) });
  await Promise.all([echo(path), echo(path)]);
  expect([await answerOf(waits), await answerOf(later)]).toEqual(["waits back", "later back"]);
});

test("an exchange waits for a worker that may dial anew after a restart, and for no other", async () => {
  const fresh = openPool("fresh");
  const early = await ask(fresh, "early");
  const { path } = door(fresh);
  await dial(path, "control");
  await echo(path);
  expect(await answerOf(early)).toBe("early back");

  const alone = openPool("alone", { waitMs: 0 });
  await untilClosed(await ask(alone, "nobody"));
  expect(alone.counts()).toEqual({ idle: 0, busy: 0, waiting: 0 });
});

test("an exchange that waits for a connection ends with the worker, so that it can be asked elsewhere", async () => {
  const pool = openPool("ends");
  const control = await dial(door(pool).path, "control");
  const waits = await ask(pool, "waits");
  expect(await answerOf(control)).toEqual({ want: 1 });
  control.destroy();
  await untilClosed(waits);
  expect(pool.alive).toBe(false);
});
