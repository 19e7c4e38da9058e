import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";

// What surrounds the APIs: paths as people type them, browsers, encodings, uploads of every kind.

const LIMIT = 100_000;

let engine: ScriptedEngine;
let gateway: TestGateway;
beforeAll(async () => {
  engine = await startScriptedEngine();
  engine.script = { text: "ok" };
  gateway = startGateway({ engines: [engine], limits: { maxBodyBytes: LIMIT, uploadStallMs: 1000 } });
});
afterAll(async () => {
  await gateway.stop();
  await engine.stop();
});

const BODY = JSON.stringify({ model: "scripted", messages: [{ role: "user", content: "hi" }], max_tokens: 5 });
const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, { method: "POST", headers: { "x-api-key": "any", ...headers }, body });

test("slashes too many do not matter", async () => {
  for (const path of ["/v1/chat/completions/", "//v1/chat/completions", "/v1//v1//chat/completions", "/api/chat/"]) {
    expect([path, (await post(path, BODY)).status]).toEqual([path, 200]);
  }
  expect((await fetch(`${gateway.url}/v1/models/`, { headers: { "x-api-key": "any" } })).status).toBe(200);
});

test("HEAD and GET of the base URL say that somebody is there", async () => {
  for (const method of ["HEAD", "GET"]) expect((await fetch(`${gateway.url}/`, { method })).status).toBe(200);
});

test("a wrong method and a wrong path are refused in the shape of the API", async () => {
  const shapes = [
    ["GET", "/v1/chat/completions", 405, { error: { code: "method_not_allowed" } }],
    ["PUT", "/v1/messages", 405, { type: "error", error: { type: "invalid_request_error" } }],
    ["GET", "/api/generate", 405, { error: expect.stringContaining("POST") }],
    ["GET", "/v1/responses", 405, { error: { code: "method_not_allowed" } }],
    ["POST", "/v1/nothing", 404, { error: { code: "unknown_url" } }],
    ["POST", "/v1/messages/batches", 404, { type: "error", error: { type: "not_found_error" } }],
    ["GET", "/api/nothing", 404, { error: expect.stringContaining("/api/nothing") }],
  ] as const;
  for (const [method, path, status, shape] of shapes) {
    const answer = await fetch(`${gateway.url}${path}`, { method, headers: { "x-api-key": "any" } });
    expect([path, answer.status]).toEqual([path, status]);
    expect(await answer.json()).toMatchObject(shape);
    expect(answer.headers.get("x-request-id")).toStartWith("req_");
    if (status === 405) expect(answer.headers.get("allow")).toBe("POST");
  }
  const anthropic = await fetch(`${gateway.url}/v1/nothing`, { headers: { "anthropic-version": "2023-06-01" } });
  expect(await anthropic.json()).toMatchObject({ type: "error", error: { type: "not_found_error" } });
});

test("a web page may use the client APIs with its key", async () => {
  const origin = "https://chat.example";
  const asked = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    },
  });
  expect(asked.status).toBe(204);
  expect(asked.headers.get("access-control-allow-origin")).toBe("*");
  expect(asked.headers.get("access-control-allow-headers")).toBe("authorization,content-type");
  const answer = await post("/v1/chat/completions", BODY, { origin });
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  const listed = await fetch(`${gateway.url}/v1/models`, { headers: { origin, "x-api-key": "any" } });
  expect(listed.headers.get("access-control-allow-origin")).toBe("*");
  const own = { origin, "access-control-request-method": "POST" };
  const admin = await fetch(`${gateway.url}/metrics`, { method: "OPTIONS", headers: own });
  expect(admin.headers.has("access-control-allow-origin")).toBe(false);
  expect((await post("/v1/chat/completions", BODY)).headers.has("access-control-allow-origin")).toBe(false);
});

test("a compressed body is read, and a bomb is not", async () => {
  const packed = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };
  for (const [encoding, pack] of Object.entries(packed)) {
    const body = new Uint8Array(pack(BODY));
    const answer = await post("/v1/chat/completions", body, { "content-encoding": encoding });
    expect([encoding, answer.status]).toEqual([encoding, 200]);
    const bomb = new Uint8Array(pack(`{"model":"${"x".repeat(50 * LIMIT)}"}`));
    expect(bomb.length).toBeLessThan(LIMIT);
    const burst = await post("/v1/messages", bomb, { "content-encoding": encoding });
    expect([encoding, burst.status]).toEqual([encoding, 413]);
    expect(await burst.json()).toMatchObject({ error: { type: "request_too_large" } });
    const cut = await post("/v1/chat/completions", body.subarray(0, 20), { "content-encoding": encoding });
    expect([encoding, cut.status]).toEqual([encoding, 400]);
    const lie = await post("/v1/chat/completions", BODY, { "content-encoding": encoding });
    expect([encoding, lie.status]).toEqual([encoding, 400]);
  }
  const unknown = await post("/v1/chat/completions", BODY, { "content-encoding": "snappy" });
  expect([unknown.status, await unknown.json()]).toMatchObject([400, { error: { param: "content-encoding" } }]);
});

/** The status line of what a socket gets for these bytes; `then` is sent after the first answer, as for an Expect. */
async function raw(first: string, then = ""): Promise<string> {
  const { hostname, port } = new URL(gateway.url);
  const { promise, resolve } = Promise.withResolvers<string>();
  let seen = "";
  const socket = connect(Number(port), hostname, () => socket.write(first));
  socket.on("data", (data) => {
    seen += data.toString();
    if (/^HTTP\/1.1 100/.test(seen) && then !== "" && !seen.includes("HTTP/1.1 2")) socket.write(then);
    if (/HTTP\/1.1 [2-5]\d\d/.test(seen)) resolve(seen);
  });
  socket.on("close", () => resolve(seen));
  socket.on("error", () => resolve(seen));
  const answer = await promise;
  socket.destroy();
  return answer;
}

const HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: flock\r\nx-api-key: any\r\n";

test("chunked uploads and those that ask first are taken", async () => {
  const pieces = BODY.match(/.{1,7}/g) ?? [];
  const chunked = `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")}0\r\n\r\n`;
  expect(await raw(`${HEAD}transfer-encoding: chunked\r\n\r\n${chunked}`)).toContain("HTTP/1.1 200");
  const asks = `${HEAD}content-length: ${BODY.length}\r\nexpect: 100-continue\r\n\r\n`;
  expect(await raw(asks, BODY)).toContain("HTTP/1.1 200");
  expect(await raw(`${asks}${BODY}`)).toContain("HTTP/1.1 200");
});

test("a body over the limit is refused at once, whether it says so or not", async () => {
  expect(await raw(`${HEAD}content-length: ${LIMIT + 1}\r\n\r\n`)).toContain("HTTP/1.1 413");
  const piece = "x".repeat(30_000);
  const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`;
  expect(await raw(`${HEAD}transfer-encoding: chunked\r\n\r\n${chunk.repeat(4)}`)).toContain("HTTP/1.1 413");
});

test("an upload that stalls is given up", async () => {
  expect(await raw(`${HEAD}content-length: 500\r\n\r\n{"model"`)).toContain("HTTP/1.1 400");
});

test("names that a client chose do not break the answer's headers", async () => {
  const strange = { "é\n☃": 1, ["x".repeat(5000)]: 1 };
  const body = JSON.stringify({ model: "scripted", prompt: "hi", stream: false, options: strange });
  const answer = await post("/api/generate", body);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-flock-adjusted")?.length).toBeLessThanOrEqual(1000);
});

test("what Ollama does to models is refused with the command that does it here", async () => {
  const paths = ["/api/pull", "/api/push", "/api/create", "/api/copy"];
  for (const path of paths) {
    const answer = await post(path, JSON.stringify({ model: "llama3.2" }));
    expect([path, answer.status]).toEqual([path, 400]);
    expect(((await answer.json()) as { error: string }).error).toBeString();
  }
  const remove = await fetch(`${gateway.url}/api/delete`, { method: "DELETE", headers: { "x-api-key": "any" } });
  expect(((await remove.json()) as { error: string }).error).toContain("flock model remove");
});

test("answers on one connection have headers of their own, by key, by surface and by what was asked", async () => {
  const socket = connect(new URL(gateway.url).port === "" ? 80 : Number(new URL(gateway.url).port), "127.0.0.1");
  const answers: string[] = [];
  let came = "";
  const ask = async (body: string, path = "/v1/chat/completions"): Promise<void> => {
    const got = Promise.withResolvers<void>();
    came = "";
    socket.on("data", (bytes) => {
      came += bytes.toString();
      const length = /content-length: (\d+)/.exec(came)?.[1];
      if (came.endsWith("0\r\n\r\n") || came.length === came.indexOf("\r\n\r\n") + 4 + Number(length)) got.resolve();
    });
    const head = `POST ${path} HTTP/1.1\r\nhost: a\r\nx-api-key: any\r\ncontent-type: application/json`;
    socket.write(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    await got.promise;
    socket.removeAllListeners("data");
    answers.push(came);
  };
  const long = JSON.stringify({ ...JSON.parse(BODY), max_tokens: 1_000_000 });
  for (const body of [BODY, BODY, BODY.replace("scripted", "my-alias"), long, BODY]) await ask(body);
  await ask(JSON.stringify({ ...JSON.parse(BODY), stream: true }));
  await ask(BODY, "/v1/messages");
  socket.destroy();
  const said = (name: string) => answers.map((text) => new RegExp(`\r\n${name}: ([^\r]*)`).exec(text)?.[1]);
  expect(new Set(said("x-request-id")).size).toBe(answers.length);
  expect(said("request-id").at(-1)).toBe(said("x-request-id").at(-1));
  const exact = "exact; only replica";
  expect(said("x-flock-route")).toEqual([exact, exact, "alias my-alias; only replica", exact, exact, exact, exact]);
  const fitted = "max_tokens fitted to the context";
  expect(said("x-flock-adjusted").slice(0, 6)).toEqual([undefined, undefined, undefined, fitted, undefined, undefined]);
  const json = "application/json";
  expect(said("content-type")).toEqual([json, json, json, json, json, "text/event-stream; charset=utf-8", json]);
  expect(
    said("cache-control")
      .map((value) => value === "no-cache")
      .indexOf(true),
  ).toBe(5);
});
