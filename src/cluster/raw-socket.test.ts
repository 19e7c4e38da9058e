import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificate } from "./certificate.ts";
import { connectRaw, type PinnedTls } from "./raw-connect.ts";
import { listenRaw, type RawListener } from "./raw-listener.ts";
import { type RawSocket, splice } from "./raw-socket.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-raw-"));
const listeners: RawListener[] = [];
afterAll(() => {
  for (const listener of listeners) listener.stop(true);
  rmSync(folder, { recursive: true });
});
const server = makeCertificate(Date.now());
const client = makeCertificate(Date.now());
const stranger = makeCertificate(Date.now());
const FOREVER = new AbortController().signal;
const BYTES = 24 * 1024 * 1024;

function listening(
  place: { unix: string } | { client: string | null },
  accept: (socket: RawSocket) => void,
): RawListener {
  const whole =
    "unix" in place
      ? place
      : { host: "127.0.0.1", port: 0, tls: { certificate: server.certificate, key: server.key, client: place.client } };
  const listener = listenRaw(whole, accept);
  listeners.push(listener);
  return listener;
}

/** Sends so many bytes as fast as they are taken, then ends. */
function sendAll(socket: RawSocket, bytes: number): { sent: number } {
  const progress = { sent: 0 };
  const piece = new Uint8Array(256 * 1024).fill(7);
  const more = (): void => {
    while (progress.sent < bytes) {
      progress.sent += piece.length;
      if (!socket.write(piece)) return;
    }
    socket.end();
  };
  socket.attach({ data: () => undefined, drain: more, close: () => undefined });
  more();
  return progress;
}

async function opened(port: number, tls: PinnedTls): Promise<RawSocket> {
  const connected = await connectRaw({ host: "127.0.0.1", port, tls }, FOREVER);
  if (!connected.ok) throw new Error(connected.error.message);
  return connected.value;
}

test("a pinned connection opens to the pinned certificate alone", async () => {
  const listener = listening({ client: null }, (socket) => sendAll(socket, 0));
  const at = { host: "127.0.0.1", port: listener.port };
  expect((await connectRaw({ ...at, tls: { pinned: server.certificate } }, FOREVER)).ok).toBe(true);
  const wrong = await connectRaw({ ...at, tls: { pinned: stranger.certificate } }, FOREVER);
  expect(wrong.ok ? "open" : wrong.error.kind).toBe("pin");
});

test("a listener that wants a client's certificate lets nobody else in", async () => {
  let accepted = 0;
  const listener = listening({ client: client.certificate }, (socket) => {
    accepted++;
    socket.attach({ data: (chunk) => void socket.write(chunk), close: () => undefined });
  });
  const echo = async (own: PinnedTls["own"]): Promise<string> => {
    const socket = await opened(listener.port, { pinned: server.certificate, ...(own === undefined ? {} : { own }) });
    const heard = Promise.withResolvers<string>();
    socket.attach({
      data: (chunk) => heard.resolve(Buffer.from(chunk).toString()),
      close: () => heard.resolve("closed"),
    });
    socket.write(Buffer.from("hello"));
    const answer = await heard.promise;
    socket.destroy();
    return answer;
  };
  expect(await echo(client)).toBe("hello");
  expect(await echo(undefined)).toBe("closed");
  expect(await echo(stranger)).toBe("closed");
  expect(accepted).toBe(1);
});

test("nothing listens, no TLS there, and too late are told apart", async () => {
  const refused = await connectRaw({ host: "127.0.0.1", port: 1, tls: { pinned: server.certificate } }, FOREVER);
  expect(refused.ok ? "open" : refused.error.kind).toBe("unreachable");
  using plain = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("plain") });
  const noTls = await connectRaw(
    { host: "127.0.0.1", port: plain.port ?? 0, tls: { pinned: server.certificate } },
    FOREVER,
  );
  expect(noTls.ok ? "open" : noTls.error.kind).toBe("unreachable");
  const late = await connectRaw({ host: "127.0.0.1", port: plain.port ?? 0 }, AbortSignal.abort());
  expect(late.ok ? "open" : late.error.kind).toBe("cancelled");
});

test("a sender that ends at once loses nothing to a slow reader, over TLS, a Unix socket and a splice of both", async () => {
  const unix = join(folder, "whole.sock");
  listening({ unix }, (socket) => sendAll(socket, BYTES));
  const listener = listening({ client: null }, (outer) => {
    void connectRaw({ unix }, FOREVER).then((inner) => {
      if (inner.ok) splice(outer, inner.value);
    });
  });
  const socket = await opened(listener.port, { pinned: server.certificate });
  const done = Promise.withResolvers<void>();
  let got = 0;
  socket.attach({
    data: (chunk) => {
      got += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 0);
    },
    close: () => done.resolve(),
  });
  await done.promise;
  expect(got).toBe(BYTES);
});

test("a reader that reads nothing stops the sender after a few buffers", async () => {
  const unix = join(folder, "stopped.sock");
  let progress = { sent: 0 };
  listening({ unix }, (socket) => {
    progress = sendAll(socket, 1024 * BYTES);
  });
  const listener = listening({ client: null }, (outer) => {
    void connectRaw({ unix }, FOREVER).then((inner) => {
      if (inner.ok) splice(outer, inner.value);
    });
  });
  const socket = await opened(listener.port, { pinned: server.certificate });
  const first = Promise.withResolvers<void>();
  socket.attach({
    data: () => {
      socket.pause();
      first.resolve();
    },
    close: () => undefined,
  });
  await first.promise;
  // Until it stands still: what lies in the kernel's buffers of three sockets, and no more.
  let before = -1;
  while (progress.sent !== before) {
    before = progress.sent;
    await Bun.sleep(50);
  }
  expect(progress.sent).toBeLessThan(BYTES);
  socket.destroy();
});
