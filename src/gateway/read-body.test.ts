import { expect, test } from "bun:test";
import { connect } from "node:net";
import { readBody } from "./read-body.ts";

const LIMIT_BYTES = 1000;

/** Serves one request whose body `send` writes by hand, and gives what `readBody` made of it. */
async function read(head: string, send: (write: (text: string) => void) => Promise<void> | void, stallMs = 60_000) {
  const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof readBody>>>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      resolve(await readBody(request, LIMIT_BYTES, stallMs));
      return new Response();
    },
  });
  const socket = connect(server.port ?? 0, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n`);
  await send((text) => socket.write(text));
  const result = await promise;
  socket.destroy();
  await server.stop(true);
  return result;
}

test("a body arrives whole, in one piece or in many", async () => {
  const whole = await read("content-length: 5", (write) => write("hello"));
  expect(whole).toEqual({ ok: true, value: new TextEncoder().encode("hello") });
  const texts = ["hel", "lo"];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = texts.shift();
      if (next === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(next));
    },
  });
  const pieces = await readBody(new Request("http://flock/", { method: "POST", body }), LIMIT_BYTES, 60_000);
  expect(pieces).toEqual({ ok: true, value: new TextEncoder().encode("hello") });
});

test("a body over the limit is refused before it is read, or as soon as it is over", async () => {
  const tooLarge = { ok: false, error: { kind: "too_large", limitBytes: LIMIT_BYTES } } as const;
  expect(await read("content-length: 1001", () => undefined)).toEqual(tooLarge);
  const piece = `400\r\n${"x".repeat(1024)}\r\n`;
  expect(await read("transfer-encoding: chunked", (write) => write(piece))).toEqual(tooLarge);
});

test("a body that stops arriving is given up", async () => {
  const stalled = await read("content-length: 100", (write) => write("some"), 500);
  expect(stalled).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", message: expect.stringContaining("stopped arriving") },
  });
});

test("a compressed body is refused by name", async () => {
  const gzipped = await read("content-length: 2\r\ncontent-encoding: gzip", (write) => write("xx"));
  expect(gzipped).toMatchObject({
    ok: false,
    error: { kind: "invalid_request", message: expect.stringContaining("gzip") },
  });
});
