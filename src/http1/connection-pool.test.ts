import { afterAll, expect, test } from "bun:test";
import type { Socket } from "bun";
import type { EngineAnswer } from "../core/engine-answer.ts";
import { ConnectionPool, type HttpCall } from "./connection-pool.ts";

interface Peer {
  got: string;
  readonly closed: PromiseWithResolvers<void>;
}
type Answerer = (socket: Socket<Peer>, request: string) => void;

/** Answers each request by what its path names; sees the bytes. */
const peers: Peer[] = [];
const answers: Record<string, Answerer> = {
  "/count": (socket, request) => {
    const text = String(request.length - request.indexOf("\r\n\r\n") - 4);
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
  },
  "/say": (socket, request) => {
    const text = /x-say: (\w+)/.exec(request)?.[1] ?? "";
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
  },
  "/plain": (socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"),
  "/chunks": (socket) =>
    void socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
  "/early": (socket) =>
    void socket.write("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
  "/close": (socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nto the end"),
  "/torn": (socket) => void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
  "/silent": (socket) => void socket.end(),
  "/nonsense": (socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
  "/two": (socket) => void socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n"),
  "/none": (socket) => void socket.write("HTTP/1.1 204 No Content\r\n\r\n"),
  "/open": (socket) => void socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"),
};
const server = Bun.listen<Peer>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = { got: "", closed: Promise.withResolvers<void>() };
      peers.push(socket.data);
    },
    data(socket, bytes) {
      const { data } = socket;
      data.got += bytes.toString("latin1");
      const head = /^(.*\r\n)+?\r\n/.exec(data.got)?.[0];
      if (head === undefined) return;
      const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
      if (data.got.length < head.length + length) return;
      const request = data.got.slice(0, head.length + length);
      data.got = data.got.slice(request.length);
      const path = request.split(" ")[1] ?? "";
      answers[path]?.(socket, request);
    },
    close(socket) {
      socket.data.closed.resolve();
    },
  },
});
const pool = new ConnectionPool({ hostname: "127.0.0.1", port: server.port });
afterAll(() => {
  pool.close();
  server.stop(true);
});
const never = new AbortController().signal;

async function get(path: string, more: Partial<HttpCall> = {}, signal = never): Promise<EngineAnswer> {
  const answer = await pool.request({ method: "GET", path, headers: {}, ...more }, signal);
  if (!answer.ok) throw new Error(answer.error.kind);
  return answer.value;
}

test("one connection serves one request after another, in every framing", async () => {
  const before = peers.length;
  const plain = await get("/plain");
  expect([plain.status, plain.ok, plain.headers.get("x-a")]).toEqual([200, true, "b"]);
  expect(await plain.text()).toBe("hello");
  expect(await (await get("/chunks")).text()).toBe("abcde");
  expect(await (await get("/early")).text()).toBe("ok");
  expect(await (await get("/none")).text()).toBe("");
  expect(peers.length).toBe(before + 1);
});

test("headers that were changed between two calls are sent as they are then", async () => {
  const headers = { "x-say": "one" };
  expect(await (await get("/say", { headers })).text()).toBe("one");
  headers["x-say"] = "two";
  expect(await (await get("/say", { headers })).text()).toBe("two");
  const frozen = Object.freeze({ "x-say": "three" });
  for (let call = 0; call < 2; call++) expect(await (await get("/say", { headers: frozen })).text()).toBe("three");
});

test("a fresh call has a connection of its own", async () => {
  await (await get("/plain")).text();
  const before = peers.length;
  await (await get("/plain", { fresh: true })).text();
  expect(peers.length).toBe(before + 1);
});

test("a body up to the end of the connection is whole; one that is torn is not", async () => {
  expect(await (await get("/close")).text()).toBe("to the end");
  expect((await get("/torn")).text()).rejects.toThrow("broke");
});

test("nobody listening, no answer and an answer that is not HTTP are three different things", async () => {
  const dead = new ConnectionPool({ hostname: "127.0.0.1", port: 1 });
  const call = { method: "GET", path: "/", headers: {} };
  expect(await dead.request(call, never)).toMatchObject({ ok: false, error: { kind: "refused" } });
  expect(await pool.request({ ...call, path: "/silent" }, never)).toMatchObject({
    ok: false,
    error: { kind: "broken" },
  });
  expect(await pool.request({ ...call, path: "/nonsense" }, never)).toMatchObject({
    error: { kind: "broken", cause: "its answer is not HTTP" },
  });
});

test("a connection that said more than it was asked is not used again", async () => {
  expect(await (await get("/two")).text()).toBe("x");
  const before = peers.length;
  expect(await (await get("/plain")).text()).toBe("hello");
  expect(peers.length).toBe(before + 1);
});

test("an abort hangs up, before the answer and in the middle of it", async () => {
  const early = new AbortController();
  const waiting = pool.request({ method: "GET", path: "/never", headers: {} }, early.signal);
  early.abort();
  expect(await waiting).toMatchObject({ ok: false, error: { kind: "cancelled" } });
  const abort = new AbortController();
  const answer = await get("/open", { fresh: true }, abort.signal);
  const text = answer.text();
  abort.abort();
  expect(text).rejects.toThrow("broke");
  await peers.at(-1)?.closed.promise;
});

test("a large body goes out as the other side takes it", async () => {
  const body = Buffer.alloc(8_000_000, "x");
  expect(await (await get("/count", { method: "POST", body })).text()).toBe("8000000");
});

test("a line break in a path or a header's value is refused", () => {
  expect(() => pool.request({ method: "GET", path: "/a b", headers: {} }, never)).toThrow("path");
  expect(() => pool.request({ method: "GET", path: "/", headers: { a: "b\r\nc: d" } }, never)).toThrow("line break");
});

test("nothing is read that nobody takes: a paused answer holds the sender", async () => {
  const sender = Bun.listen<{ left: number }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { left: 64_000_000 };
      },
      data(socket) {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n");
        fill(socket);
      },
      drain: fill,
    },
  });
  const own = new ConnectionPool({ hostname: "127.0.0.1", port: sender.port });
  const answer = await own.request({ method: "GET", path: "/", headers: {} }, never);
  if (!answer.ok) throw new Error(answer.error.kind);
  let taken = 0;
  const whole = Promise.withResolvers<boolean>();
  answer.value.pushed?.consume({
    piece(bytes) {
      taken += bytes.length;
      answer.value.pushed?.pause();
      // Goes on in another turn of the loop: at most one piece of the socket's comes while it is paused.
      setImmediate(() => answer.value.pushed?.resume());
    },
    end: (all) => whole.resolve(all),
  });
  expect(await whole.promise).toBe(true);
  expect(taken).toBe(64_000_000);
  own.close();
  sender.stop(true);
});

function fill(socket: Socket<{ left: number }>): void {
  while (socket.data.left > 0) {
    const sent = socket.write(PIECE.subarray(0, Math.min(PIECE.length, socket.data.left)));
    if (sent <= 0) return;
    socket.data.left -= sent;
  }
}
const PIECE = Buffer.alloc(1_000_000);
