import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import fc from "fast-check";
import { type Flock, startFlock } from "../support/start-flock.ts";

let flock: Flock;
beforeAll(async () => {
  flock = await startFlock();
}, 30_000);
afterAll(() => flock.stop());

/** The status that these bytes get; `fetch` would tidy the path first. 0: the connection was closed without one. */
async function status(method: string, path: string): Promise<number> {
  const { hostname, port } = new URL(flock.url);
  const { promise, resolve } = Promise.withResolvers<number>();
  const request = `${method} ${path} HTTP/1.1\r\nhost: flock\r\nauthorization: Bearer ${flock.adminKey}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
  const socket = connect(Number(port), hostname, () => socket.write(request, "latin1"));
  let seen = "";
  socket.on("data", (data) => {
    seen += data.toString("latin1");
    const found = /^HTTP\/1\.1 (\d{3})/.exec(seen)?.[1];
    if (found) resolve(Number(found));
  });
  socket.on("close", () => resolve(0));
  socket.on("error", () => resolve(0));
  const answer = await promise;
  socket.destroy();
  return answer;
}

const segment = fc.oneof(
  fc.constantFrom(
    "v1",
    "models",
    "responses",
    "chat",
    "completions",
    "api",
    "show",
    "input_items",
    "..",
    ".",
    "",
    "%zz",
    "%",
    "%00",
    "%2F",
    "%2e%2e",
    "%ff",
    "a%20b",
    ":id",
    "*",
    "resp_x",
    "__proto__",
    "constructor",
    "flock-tiny",
  ),
  fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 8 }),
);
const path = fc
  .tuple(
    fc.array(segment, { minLength: 1, maxLength: 6 }),
    fc.constantFrom("", "?", "?limit=", "?limit=1e99", "?after_id=%zz", "?a=b&&=", "?%"),
  )
  .map(([parts, query]) => `/${parts.join("/")}${query}`);

test("no path, however odd, breaks anything", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"),
      path,
      async (method, odd) => {
        const answer = await status(method, odd);
        // What is no HTTP at all may just be hung up on.
        if (answer >= 500 && answer !== 501) throw new Error(`${method} ${odd}: ${answer}`);
      },
    ),
    { numRuns: 400 },
  );
  for (const [method, odd, expected] of [
    ["GET", "/v1/models/%zz", 404],
    ["GET", "/v1/models/..%2f..%2fetc%2fpasswd", 404],
    ["GET", "/v1/responses/..%2f..%2fadmin.key", 404],
    ["DELETE", "/v1/responses/%00", 404],
    ["GET", "/v1/responses/resp_x/input_items?limit=-1", 404],
    ["GET", `/v1/models/${"x".repeat(5000)}`, 404],
    ["GET", "/v1/models?limit=0", 400],
  ] as const) {
    expect([odd.slice(0, 60), await status(method, odd)]).toEqual([odd.slice(0, 60), expected]);
  }
  expect((await flock.fetch("/readyz")).status).toBe(200);
}, 60_000);
