import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileAnswer, type PullAnswer, type PullBody } from "../cluster/model-files.ts";
import { err, ok } from "../core/result.ts";
import { ModelPuller, type ModelPullerParts, type PullTimes } from "./model-puller.ts";

const TIMES: PullTimes = { stallMs: 200, retryMs: [1, 2], attempts: 3 };
const BYTES = new Uint8Array(3_000_000).map((_, at) => (at * 7) % 251);

let dir: string;
let ranges: (string | null)[];
/** How to answer the n-th request. */
let answer: (path: string, range: string | null, count: number) => Response;
let puller: ModelPuller;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "flock-pull-"));
  mkdirSync(join(dir, "from"));
  writeFileSync(join(dir, "from", "m.gguf"), BYTES);
  ranges = [];
  answer = (_path, range) => fileAnswer(join(dir, "from", "m.gguf"), range);
  const server = Bun.serve({
    port: 0,
    fetch(request) {
      const range = request.headers.get("range");
      ranges.push(range);
      return answer(new URL(request.url).pathname, range, ranges.length);
    },
  });
  const calls = {
    fetch: async (request: Request, signal: AbortSignal) => {
      const { pathname, search } = new URL(request.url);
      return ok(await fetch(`${server.url.origin}${pathname}${search}`, { headers: request.headers, signal }));
    },
  };
  puller = new ModelPuller({ modelsDir: join(dir, "to"), calls, dial: never, log: () => undefined, times: TIMES });
  stopServer = () => server.stop(true);
});
let stopServer: () => Promise<void>;
afterEach(async () => {
  puller.stop();
  await stopServer();
  rmSync(dir, { recursive: true, force: true });
});

const body = (sha256 = new Bun.CryptoHasher("sha256").update(BYTES).digest("hex")): PullBody => ({
  model: "m",
  from: "local",
  parts: [{ name: "m.gguf", bytes: BYTES.length, sha256 }],
});

async function pulled(asked: PullBody): Promise<PullAnswer> {
  for (;;) {
    const told = puller.pull(asked);
    if (told.state !== "running") return told;
    await Bun.sleep(2);
  }
}

const never: ModelPullerParts["dial"] = () => Promise.reject(new Error("nobody is to be dialled"));

/** With a way to the node that has it. */
const directly = (ticket = "t1"): PullBody => ({
  ...body(),
  direct: { node: "n_two", addresses: ["127.0.0.1:1"], certificate: "-".repeat(100), ticket },
});

/** A server that breaks off each answer after so many bytes, once they are out, the first `times` of them. */
async function startCutting(
  times: number,
  bytes: number,
): Promise<{ url: string; starts: number[]; stop: () => void }> {
  const starts: number[] = [];
  const server = createServer((request, response) => {
    const from = Number(/\d+/.exec(request.headers.range ?? "")?.[0]);
    starts.push(from);
    response.writeHead(206, { "content-length": BYTES.length - from });
    if (starts.length > times) response.end(BYTES.subarray(from));
    else response.write(BYTES.subarray(from, from + bytes), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, starts, stop: () => server.close() };
}

test("a model comes whole, under its name, and is not brought twice", async () => {
  expect(await pulled(body())).toMatchObject({ state: "done", doneBytes: BYTES.length });
  expect(readFileSync(join(dir, "to", "m.gguf")).equals(BYTES)).toBe(true);
  const other = new ModelPuller({
    modelsDir: join(dir, "to"),
    calls: { fetch: () => Promise.reject(new Error("nothing is to be asked for")) },
    dial: never,
    log: () => undefined,
    times: TIMES,
  });
  other.pull(body());
  while (other.pull(body()).state === "running") await Bun.sleep(2);
  expect(other.pull(body()).state).toBe("done");
});

test("after a broken connection it goes on where it was, however often it breaks while bytes come", async () => {
  const cutting = await startCutting(5, 300_000);
  const fetchThere = async (request: Request, signal: AbortSignal) =>
    ok(await fetch(`${cutting.url}${new URL(request.url).pathname}`, { headers: request.headers, signal }));
  puller = new ModelPuller({
    modelsDir: join(dir, "to"),
    calls: { fetch: fetchThere },
    dial: never,
    log: () => undefined,
    times: TIMES,
  });
  expect(await pulled(body())).toMatchObject({ state: "done" });
  expect(cutting.starts.length).toBeGreaterThan(5);
  expect(cutting.starts.at(-1)).toBeGreaterThan(0);
  expect(cutting.starts).toEqual(cutting.starts.toSorted((a, b) => a - b));
  expect(readFileSync(join(dir, "to", "m.gguf")).equals(BYTES)).toBe(true);
  cutting.stop();
});

test("other bytes than the checksum says are thrown away, and nothing stands under the name", async () => {
  const told = await pulled(body("0".repeat(64)));
  expect(told).toMatchObject({ state: "failed", problem: expect.stringContaining("other bytes") });
  expect(existsSync(join(dir, "to", "m.gguf"))).toBe(false);
  expect(existsSync(join(dir, "to", "m.gguf.part"))).toBe(false);
});

test("a source that gives nothing is given up with its words, and tried anew when asked again", async () => {
  answer = () => new Response("gone", { status: 404 });
  expect(await pulled(body())).toMatchObject({ state: "failed", problem: "the leader answered 404: gone" });
  answer = (_path, range) => fileAnswer(join(dir, "from", "m.gguf"), range);
  expect(await pulled(body())).toMatchObject({ state: "done" });
});

test("a connection that falls silent is left", async () => {
  answer = (_path, range, count) =>
    count === 1
      ? new Response(new ReadableStream({ start: (controller) => controller.enqueue(BYTES.slice(0, 1000)) }), {
          status: 206,
        })
      : fileAnswer(join(dir, "from", "m.gguf"), range);
  expect(await pulled(body())).toMatchObject({ state: "done" });
  expect(ranges).toEqual(["bytes=0-", "bytes=1000-"]);
});

test("with a way to the node that has it the file comes straight from there, and goes on with the newest ticket", async () => {
  const dialled: [string, number, number][] = [];
  const broken = Promise.withResolvers<void>();
  const dial: ModelPullerParts["dial"] = async (way, part, from) => {
    dialled.push([way.ticket, part, from]);
    if (dialled.length > 1) return ok(new Blob([BYTES.slice(from)]).stream());
    return ok(
      (async function* () {
        yield BYTES.slice(0, 1000);
        await broken.promise;
      })(),
    );
  };
  const calls = { fetch: () => Promise.reject(new Error("the leader is not to be asked")) };
  puller = new ModelPuller({ modelsDir: join(dir, "to"), calls, dial, log: () => undefined, times: TIMES });
  expect(puller.pull(directly()).way).toEqual({ direct: true, why: null });
  while (puller.pull(directly("t1")).doneBytes < 1000) await Bun.sleep(2);
  puller.pull(directly("t2"));
  broken.resolve();
  while (puller.pull(directly("t2")).state === "running") await Bun.sleep(2);
  expect(puller.pull(directly("t2"))).toMatchObject({ state: "done", way: { direct: true, why: null } });
  expect(dialled).toEqual([
    ["t1", 0, 0],
    ["t2", 0, 1000],
  ]);
  expect(readFileSync(join(dir, "to", "m.gguf")).equals(BYTES)).toBe(true);
});

test("a node that cannot be dialled is dialled once; the file comes through the leader, and the answer says why", async () => {
  let count = 0;
  const dial: ModelPullerParts["dial"] = async () => ((count += 1), err("nothing listens there"));
  const cutting = await startCutting(2, 300_000);
  const fetchThere = async (request: Request, signal: AbortSignal) =>
    ok(await fetch(`${cutting.url}${new URL(request.url).pathname}`, { headers: request.headers, signal }));
  puller = new ModelPuller({
    modelsDir: join(dir, "to"),
    calls: { fetch: fetchThere },
    dial,
    log: () => undefined,
    times: TIMES,
  });
  while (puller.pull(directly()).state === "running") await Bun.sleep(2);
  expect(puller.pull(directly())).toMatchObject({
    state: "done",
    way: { direct: false, why: "nothing listens there" },
  });
  expect([count, cutting.starts.length]).toEqual([1, 3]);
  cutting.stop();
});

test("a node that sends nothing and closes, again and again, is given up", async () => {
  const dial: ModelPullerParts["dial"] = async () => ok(new Blob([]).stream());
  puller = new ModelPuller({
    modelsDir: join(dir, "to"),
    calls: { fetch: () => Promise.reject(new Error("the leader is not to be asked")) },
    dial,
    log: () => undefined,
    times: TIMES,
  });
  let told = puller.pull(directly());
  while (told.state === "running") {
    await Bun.sleep(2);
    told = puller.pull(directly());
  }
  expect(told).toMatchObject({ state: "failed", problem: "the connection broke off" });
});

test("a model that was brought and deleted since is brought anew", async () => {
  expect((await pulled(body())).state).toBe("done");
  rmSync(join(dir, "to", "m.gguf"));
  expect((await pulled(body())).state).toBe("done");
  expect(readFileSync(join(dir, "to", "m.gguf")).equals(BYTES)).toBe(true);
});
