import { afterAll, expect, test } from "bun:test";
import type { Socket } from "bun";
import type { BufferedRequest } from "../core/buffered-request.ts";
import type { Reply, ReplySink } from "../core/reply.ts";
import { FrontServer } from "./front-server.ts";

const peers: (string | null)[] = [];
const inner = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request, server) {
    peers.push(front.peerOf(server.requestIP(request)?.port ?? 0));
    const { pathname } = new URL(request.url);
    return new Response(`inner ${request.method} ${pathname} ${(await request.text()).length}`);
  },
});
/** What tests want to know of the streams that run. */
const streams: { sink: ReplySink; hungUp: PromiseWithResolvers<void>; drained: () => void }[] = [];

async function answer(request: BufferedRequest): Promise<Reply> {
  const body = request.takeBody();
  const text = body === "stalled" ? "stalled" : new TextDecoder().decode(body);
  if (text === "wait") {
    const gone = Promise.withResolvers<void>();
    request.signal.addEventListener("abort", () => gone.resolve());
    await gone.promise;
    left.resolve();
  }
  if (text !== "stream") return { status: 200, headers: { "x-a": "☃é" }, body: `front ${text}` };
  const hungUp = Promise.withResolvers<void>();
  const stream = { flow, drained: () => streams.at(-1)?.drained(), hangUp: () => hungUp.resolve() };
  function flow(sink: ReplySink): void {
    streams.push({ sink, hungUp, drained: () => undefined });
    streamed.resolve();
  }
  return { status: 200, headers: { "content-type": "text/event-stream" }, body: stream };
}
let left = Promise.withResolvers<void>();
let streamed = Promise.withResolvers<void>();

const front = open();
function open(): FrontServer {
  return new FrontServer({
    hostname: "127.0.0.1",
    port: 0,
    innerPort: inner.port ?? 0,
    handlerOf: ({ method, target }) => (method === "POST" && target === "/chat" ? answer : null),
  });
}
afterAll(async () => {
  front.stop();
  await inner.stop(true);
});

function post(body: string, more = ""): string {
  return `POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
}

interface Wire {
  readonly socket: Socket<undefined>;
  text: string;
  readonly closed: Promise<void>;
  /** Resolves when the text has come so often. */
  has(part: string, times?: number): Promise<void>;
}

async function connect(to = front): Promise<Wire> {
  const closed = Promise.withResolvers<void>();
  let look = (): void => undefined;
  const socket = await Bun.connect<undefined>({
    hostname: "127.0.0.1",
    port: to.port,
    socket: {
      data(_, bytes) {
        wire.text += bytes.toString("latin1");
        look();
      },
      close: () => closed.resolve(),
    },
  });
  const wire: Wire = {
    socket,
    text: "",
    closed: closed.promise,
    async has(part, times = 1) {
      while (wire.text.split(part).length <= times)
        await new Promise<void>((resolve) => {
          look = resolve;
        });
    },
  };
  return wire;
}

test("a plain request is answered by the front, everything else by the server behind it, untouched", async () => {
  const url = `http://127.0.0.1:${front.port}`;
  const json = { "content-type": "application/json" };
  const chat = await fetch(`${url}/chat`, { method: "POST", headers: json, body: "hello" });
  expect([await chat.text(), chat.headers.get("x-a"), chat.headers.has("date")]).toEqual(["front hello", "?é", true]);
  expect(await (await fetch(`${url}/other?x=1`)).text()).toBe("inner GET /other 0");
  expect(peers.at(-1)).toBe("127.0.0.1");
  for (const headers of [{}, { ...json, origin: "http://a" }, { ...json, "content-encoding": "gzip" }])
    expect(await (await fetch(`${url}/chat`, { method: "POST", headers, body: "x" })).text()).toBe(
      "inner POST /chat 1",
    );
  const large = await fetch(`${url}/chat`, { method: "POST", headers: json, body: "x".repeat(3_000_000) });
  expect(await large.text()).toBe("inner POST /chat 3000000");
});

test("requests in any pieces, and several at once, are answered in their order on one connection", async () => {
  const wire = await connect();
  for (const byte of Buffer.from(post("one"))) {
    wire.socket.write(new Uint8Array([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await wire.has("front one");
  wire.socket.write(post("two") + post("three") + post("four"));
  await wire.has("front four");
  expect(wire.text.match(/front (one|two|three|four)/g)).toEqual([
    "front one",
    "front two",
    "front three",
    "front four",
  ]);
  wire.socket.write("GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
  await wire.has("inner GET /after 0");
  wire.socket.write(post("five"));
  await wire.has("inner POST /chat 4");
  wire.socket.end();
});

test("what is not strictly HTTP/1.1 is never answered by the front", async () => {
  for (const bytes of [
    "POST /chat HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
    post("x", "Content-Length: 2\r\n"),
    post("x", "Transfer-Encoding: chunked\r\n"),
    post("x", "Host: y\r\n"),
    post("x", " folded: y\r\n"),
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`,
  ]) {
    const wire = await connect();
    wire.socket.write(bytes);
    await Promise.race([wire.closed, wire.has("\r\n\r\n")]);
    expect(wire.text).not.toContain("front");
    wire.socket.end();
  }
});

test("connection: close is kept to, also behind a stream", async () => {
  const wire = await connect();
  wire.socket.write(post("x", "Connection: close\r\n"));
  await wire.closed;
  expect(wire.text).toMatch(/^HTTP\/1.1 200 OK\r\n(.+\r\n)*connection: close\r\n(.+\r\n)*\r\nfront x$/);
});

test("a client that hangs up is heard, before the answer and in the middle of a stream", async () => {
  left = Promise.withResolvers();
  const waiting = await connect();
  waiting.socket.write(post("wait"));
  waiting.socket.flush();
  setImmediate(() => waiting.socket.terminate());
  await left.promise;
  streamed = Promise.withResolvers();
  const wire = await connect();
  wire.socket.write(post("stream"));
  await streamed.promise;
  streams.at(-1)?.sink.write(Buffer.from("data: 1\n\n"));
  await wire.has("data: 1");
  expect(wire.text).toContain("transfer-encoding: chunked");
  wire.socket.terminate();
  await streams.at(-1)?.hungUp.promise;
});

test("the head of a stream goes out before its first piece, and its end leaves room for the next request", async () => {
  streamed = Promise.withResolvers();
  const wire = await connect();
  wire.socket.write(post("stream"));
  await wire.has("\r\n\r\n");
  const { sink } = streams.at(-1) ?? { sink: null };
  sink?.write(Buffer.from("a"));
  sink?.end(Buffer.from("bc"));
  await wire.has("0\r\n\r\n");
  expect(wire.text).toEndWith("\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n");
  wire.socket.write(post("next"));
  await wire.has("front next");
});

test("a client that does not read holds the stream back, and gets all of it in the end", async () => {
  streamed = Promise.withResolvers();
  const wire = await connect();
  wire.socket.pause();
  wire.socket.write(post("stream"));
  await streamed.promise;
  const stream = streams.at(-1);
  if (!stream) throw new Error("no stream");
  const piece = Buffer.alloc(1_000_000, "x");
  let pieces = 1;
  while (stream.sink.write(piece)) pieces += 1;
  expect(pieces).toBeLessThan(64);
  const drained = Promise.withResolvers<void>();
  stream.drained = () => drained.resolve();
  wire.socket.resume();
  await drained.promise;
  stream.sink.end(null);
  await wire.has("0\r\n\r\n");
  expect(wire.text.slice(wire.text.indexOf("\r\n\r\n")).split("x").length - 1).toBe(pieces * 1_000_000);
});

test("a server that drains lets what runs come to its end, and takes nothing new", async () => {
  const other = open();
  const idle = await connect(other);
  streamed = Promise.withResolvers();
  const wire = await connect(other);
  wire.socket.write(post("stream"));
  await wire.has("\r\n\r\n");
  let over = false;
  const drained = other.drain().then(() => (over = true));
  await idle.closed;
  expect(connect(other)).rejects.toThrow();
  expect(over).toBe(false);
  streams.at(-1)?.sink.end(Buffer.from("end"));
  await drained;
  await wire.has("end");
  other.stop();
  await wire.closed;
});
