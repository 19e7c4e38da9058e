import { expect, test } from "bun:test";
import { MessageReader } from "./http-message.ts";

/** The bodies of all messages that ended, fed in pieces of this size. */
function read(text: string, side: "requests" | "responses", pieceBytes: number): { bodies: string[]; whole: boolean } {
  const bodies: string[] = [];
  let body = "";
  const sink = {
    onHead() {
      body = "";
    },
    onBody(piece: Buffer) {
      body += piece.toString();
    },
    onEnd() {
      bodies.push(body);
    },
  };
  const reader = new MessageReader(sink, side);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
  return { bodies, whole: reader.close() };
}

const RESPONSES =
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst" +
  "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n" +
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\nA;x=y\r\nond answer\r\n0\r\n\r\n" +
  "HTTP/1.1 200 OK\r\n\r\nto the end";

for (const pieceBytes of [1, 2, 7, 4096]) {
  test(`responses of every framing are read, ${pieceBytes} bytes at a time`, () => {
    const { bodies, whole } = read(RESPONSES, "responses", pieceBytes);
    expect(bodies).toEqual(["first", "", "second answer", "to the end"]);
    expect(whole).toBe(true);
  });
}

test("a request without a length has no body", () => {
  const text = "GET /health HTTP/1.1\r\nHost: x\r\n\r\nPOST /v1 HTTP/1.1\r\ncontent-length: 2\r\n\r\nok";
  expect(read(text, "requests", 5).bodies).toEqual(["", "ok"]);
});

test("a connection that ends in the middle is not whole", () => {
  expect(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfir", "responses", 100)).toEqual({
    bodies: [],
    whole: false,
  });
});

test("bytes that are no HTTP are refused", () => {
  expect(() => read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "responses", 100)).toThrow();
});
