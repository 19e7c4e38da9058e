import { afterAll, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import type { EngineAnswer } from "../core/engine-answer.ts";
import { EngineConnections } from "./fetch-engine.ts";

const hungUp = Promise.withResolvers<void>();
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/gzip") {
      return new Response(gzipSync("hello"), { headers: { "content-encoding": "gzip" } });
    }
    if (pathname === "/moved") return Response.redirect("/elsewhere", 307);
    if (pathname === "/endless") {
      request.signal.addEventListener("abort", () => hungUp.resolve());
      return new Response(
        new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("first")) }),
      );
    }
    return Response.json(Object.fromEntries(request.headers));
  },
});
afterAll(() => server.stop(true));

const engine = {
  id: "e",
  endpoint: `http://127.0.0.1:${server.port}`,
  secret: "s3cret",
  start: "flock up",
  managed: true,
};
const never = new AbortController().signal;

const connections = new EngineConnections();
afterAll(() => connections.close());

async function get(path: string, signal = never): Promise<EngineAnswer> {
  const answer = await connections.fetch(engine, { method: "GET", path, headers: { "x-a": "1" } }, signal);
  if (!answer.ok) throw new Error(answer.error.kind);
  return answer.value;
}

test("the caller's headers go along with the engine's secret", async () => {
  expect(JSON.parse(await (await get("/headers")).text())).toMatchObject({
    "x-a": "1",
    authorization: "Bearer s3cret",
  });
});

test("an engine that has another secret now gets that one, and other headers are sent as they are", async () => {
  const sent = async (secret: string, headers: Record<string, string>) => {
    const answer = await connections.fetch({ ...engine, secret }, { method: "GET", path: "/headers", headers }, never);
    return answer.ok ? ((await answer.value.json()) as Record<string, string>) : {};
  };
  const same = { "x-a": "1" };
  expect(await sent("one", same)).toMatchObject({ "x-a": "1", authorization: "Bearer one" });
  expect(await sent("one", same)).toMatchObject({ "x-a": "1", authorization: "Bearer one" });
  expect(await sent("two", same)).toMatchObject({ "x-a": "1", authorization: "Bearer two" });
  expect(await sent("two", { "x-a": "2" })).toMatchObject({ "x-a": "2", authorization: "Bearer two" });
});

test("an engine without a secret gets no authorization", async () => {
  const answer = await connections.fetch({ ...engine, secret: "" }, { method: "GET", path: "/headers" }, never);
  expect(answer.ok && Object.keys(Object(JSON.parse(await answer.value.text())))).not.toContain("authorization");
});

test("a compressed body and a redirect come through as they are", async () => {
  const zipped = await get("/gzip");
  expect(zipped.headers.get("content-encoding")).toBe("gzip");
  expect(Buffer.from(await zipped.bytes())).toEqual(Buffer.from(gzipSync("hello")));
  expect((await get("/moved")).status).toBe(307);
});

test("an abort in the middle of a body hangs up on the engine", async () => {
  const abort = new AbortController();
  const reader = (await get("/endless", abort.signal)).body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("first");
  const rest = reader?.read();
  abort.abort();
  const failed = await rest?.then(
    () => false,
    () => true,
  );
  expect(failed).toBe(true);
  await hungUp.promise;
});
