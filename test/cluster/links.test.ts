import { afterAll, describe, expect, test } from "bun:test";
import { availableModels } from "../../src/cluster/node-operations.ts";
import { err, ok } from "../../src/core/result.ts";
import { startTestLeader, startTestWorker, type TestLeader } from "../support/in-process-cluster.ts";
import { poll } from "../support/start-flock.ts";

const FOREVER = new AbortController().signal;

interface Seen {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** An engine on loopback that does what a link must carry. */
function startEngine() {
  const seen: Seen[] = [];
  const aborted: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const path = pathname + search;
      request.signal.addEventListener("abort", () => aborted.push(path));
      seen.push({ path, headers: Object.fromEntries(request.headers), body: await request.text() });
      if (pathname === "/endless") return new Response(endless());
      // Until it is hung up on.
      if (pathname === "/slow-start") await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      if (pathname === "/bytes") return new Response(new Uint8Array(Number(search.slice(1))).fill(65));
      return Response.json({ got: seen.at(-1)?.body }, { status: 418, headers: { "retry-after": "7" } });
    },
  });
  return { seen, aborted, endpoint: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

function endless(): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(64 * 1024).fill(66);
  return new ReadableStream({ pull: (controller) => controller.enqueue(piece) }, { highWaterMark: 0 });
}

const engine = startEngine();
afterAll(() => engine.stop());
const ENGINE = { id: "embedded", endpoint: engine.endpoint, secret: "engine-secret" };

async function kindComes(leader: TestLeader, node: string, kind: string | null): Promise<void> {
  await poll(10_000, () => leader.links.kindOf(node) === kind);
}

for (const kind of ["lan", "tunnel"] as const) {
  describe(`over ${kind}`, () => {
    test("a call reaches the engine as it was made, with the engine's secret, and its answer comes back as it is", async () => {
      await using leader = await startTestLeader();
      await using worker = await startTestWorker(leader, { engine: ENGINE, lan: kind === "lan" });
      await kindComes(leader, worker.node, kind);
      const request = {
        method: "POST",
        path: "/v1/chat/completions?a=%20b",
        headers: { "content-type": "application/json" },
        body: '{"x":"ü"}',
      } as const;
      const answer = await leader.links.fetch(worker.node, "embedded", request, FOREVER);
      if (!answer.ok) throw new Error(JSON.stringify(answer.error));
      expect(answer.value.status).toBe(418);
      expect(answer.value.headers.get("retry-after")).toBe("7");
      expect(await answer.value.json()).toEqual({ got: '{"x":"ü"}' });
      const last = engine.seen.at(-1);
      expect(last?.path).toBe("/v1/chat/completions?a=%20b");
      expect(last?.headers["authorization"]).toBe("Bearer engine-secret");
      expect(last?.headers["content-type"]).toBe("application/json");
      expect(Object.keys(last?.headers ?? {}).filter((name) => name.startsWith("x-flock"))).toEqual([]);
    });

    test("large bodies arrive whole in both directions, many at once", async () => {
      await using leader = await startTestLeader();
      await using worker = await startTestWorker(leader, { engine: ENGINE, lan: kind === "lan" });
      await kindComes(leader, worker.node, kind);
      const bytes = 3_000_000;
      const body = new Uint8Array(bytes).fill(67);
      const sizes = await Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          const path = index % 2 === 0 ? `/bytes?${bytes}` : "/echo";
          const answer = await leader.links.fetch(worker.node, "embedded", { method: "POST", path, body }, FOREVER);
          return answer.ok ? (await answer.value.bytes()).length : -1;
        }),
      );
      expect(sizes.filter((_, index) => index % 2 === 0)).toEqual(Array.from({ length: 6 }, () => bytes));
      expect(sizes.filter((_, index) => index % 2 === 1)).toEqual(Array.from({ length: 6 }, () => bytes + 10));
    });

    test("what is made out to a process of before is made out anew, and begun once", async () => {
      await using leader = await startTestLeader();
      await using worker = await startTestWorker(leader, {
        engine: ENGINE,
        lan: kind === "lan",
        call: async (operation) => ok((operation.read({ models: [] }) ?? { value: null }).value as never),
      });
      await kindComes(leader, worker.node, kind);
      const body = new Uint8Array(8_000_000).fill(67);
      const before = engine.seen.length;
      leader.links.heard(worker.node, "gonegone");
      const request = { method: "POST", path: "/echo", body } as const;
      const answer = await leader.links.fetch(worker.node, "embedded", request, FOREVER);
      expect(answer.ok ? (await answer.value.bytes()).length : answer.error).toBe(body.length + 10);
      expect(engine.seen.length).toBe(before + 1);
      leader.links.heard(worker.node, "gonegone");
      expect(await leader.links.call(worker.node, availableModels(), FOREVER)).toEqual(ok([]));
      leader.links.heard(worker.node, "gonegone");
      const stream = await leader.links.connect(worker.node, "engine/embedded", FOREVER);
      expect(stream.ok).toBe(true);
      if (stream.ok) await stream.value.readable.cancel();
      // One of protocol 3 dials, and is called as it wants to be.
      leader.links.heard(worker.node, null);
      expect(await leader.links.call(worker.node, availableModels(), FOREVER)).toEqual(ok([]));
    });

    test("a hang-up reaches the engine, before the answer and in the middle of it", async () => {
      await using leader = await startTestLeader();
      await using worker = await startTestWorker(leader, { engine: ENGINE, lan: kind === "lan" });
      await kindComes(leader, worker.node, kind);
      for (const path of [`/slow-start?${kind}`, `/endless?${kind}`]) {
        const caller = new AbortController();
        const before = engine.seen.length;
        const call = leader.links.fetch(worker.node, "embedded", { method: "POST", path, body: "" }, caller.signal);
        await poll(5_000, () => engine.seen.length > before);
        if (path.startsWith("/endless")) {
          const answer = await call;
          if (answer.ok) await answer.value.body?.getReader().read();
        }
        caller.abort();
        if (path.startsWith("/slow")) expect(await call).toEqual(err({ kind: "cancelled" }));
        await poll(5_000, () => engine.aborted.includes(path));
        await poll(5_000, () => worker.inFlight.total === 0);
      }
    });

    test("an engine that does not run, and one that nobody knows, are told as on this machine", async () => {
      await using leader = await startTestLeader();
      const gone = { id: "embedded", endpoint: "http://127.0.0.1:1" };
      await using worker = await startTestWorker(leader, { engine: gone, lan: kind === "lan" });
      await kindComes(leader, worker.node, kind);
      const ask = (id: string) => leader.links.fetch(worker.node, id, { method: "GET", path: "/x" }, FOREVER);
      expect(await ask("embedded")).toEqual(
        err({ kind: "engine_unreachable", engine: "embedded", endpoint: "http://127.0.0.1:1", start: "start it" }),
      );
      expect(await ask("other")).toEqual(
        err({ kind: "engine_unreachable", engine: "other", endpoint: "nowhere", start: "flock up" }),
      );
    });

    test("a control call gets the agent's answer, or its words", async () => {
      await using leader = await startTestLeader();
      const call = async <Answer>(operation: {
        path: string;
        body?: unknown;
        read: (answer: unknown) => { value: Answer } | null;
      }) => {
        if (operation.path !== "/v1/models")
          return err({ kind: "refused" as const, message: "not now", mend: "later" });
        return ok(operation.read({ models: [] })?.value as Answer);
      };
      await using worker = await startTestWorker(leader, { lan: kind === "lan", call });
      await kindComes(leader, worker.node, kind);
      expect(await leader.links.call(worker.node, availableModels(), FOREVER)).toEqual(ok([]));
      const other = {
        method: "POST",
        path: "/v1/models/load",
        body: { id: "x" },
        timeoutMs: 5_000,
        read: () => null,
      } as const;
      expect(await leader.links.call(worker.node, other, FOREVER)).toEqual(
        err({ kind: "refused", message: "not now", mend: "later" }),
      );
      const forbidden = { ...other, path: "/v1/shutdown" };
      const refused = await leader.links.call(worker.node, forbidden, FOREVER);
      expect(refused.ok ? "" : refused.error.message).toContain("there is no POST /v1/shutdown here");
    });

    test("a byte stream to a service carries what is written, both ways", async () => {
      await using leader = await startTestLeader();
      using echo = Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: { data: (socket, bytes) => void socket.write(bytes) },
      });
      const service = { id: "rpc", endpoint: `http://127.0.0.1:${echo.port}` };
      await using worker = await startTestWorker(leader, { engine: service, lan: kind === "lan" });
      await kindComes(leader, worker.node, kind);
      const over = new AbortController();
      const stream = await leader.links.connect(worker.node, "engine/rpc", over.signal);
      if (!stream.ok) throw new Error(stream.error.message);
      const writer = stream.value.writable.getWriter();
      await writer.write(new TextEncoder().encode("ping"));
      const { value } = await stream.value.readable.getReader().read();
      expect(Buffer.from(value ?? []).toString()).toBe("ping");
      over.abort();
      const none = await leader.links.connect(worker.node, "engine/none", FOREVER);
      expect(none.ok ? "" : none.error.message).toBe("there is no engine/none on this node");
    });

    test("what runs to a node that is cut fails at once; the next call gets through", async () => {
      await using leader = await startTestLeader();
      await using worker = await startTestWorker(leader, { engine: ENGINE, lan: kind === "lan" });
      await kindComes(leader, worker.node, kind);
      const request = { method: "POST", path: "/endless?cut", body: "" } as const;
      const answer = await leader.links.fetch(worker.node, "embedded", request, FOREVER);
      if (!answer.ok) throw new Error("no answer");
      const reader = answer.value.body?.getReader();
      await reader?.read();
      leader.links.cut(worker.node);
      const readAll = async (): Promise<void> => {
        while (!(await reader?.read())?.done);
      };
      expect(await readAll().catch(() => "broken")).toBe("broken");
      await poll(5_000, async () => {
        const next = await leader.links.fetch(
          worker.node,
          "embedded",
          { method: "POST", path: "/x", body: "" },
          FOREVER,
        );
        return next.ok;
      });
    });
  });
}

test("the node's own port is preferred, its tunnel takes over while that is away", async () => {
  await using leader = await startTestLeader();
  const worker = await startTestWorker(leader, { engine: ENGINE, lan: true });
  await kindComes(leader, worker.node, "lan");
  // The port closes, the dialler goes on: as behind a firewall that was switched on.
  await worker.port.close();
  await using behind = await startTestWorker(leader, { engine: ENGINE, lan: false });
  await kindComes(leader, behind.node, "tunnel");
  const answer = await leader.links.fetch(behind.node, "embedded", { method: "POST", path: "/x", body: "" }, FOREVER);
  expect(answer.ok).toBe(true);
  await worker.dialer.stop();
});

test("a node that stops lets running answers end, and hands back what is new as not begun", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { engine: ENGINE });
  await kindComes(leader, worker.node, "tunnel");
  const ask = () =>
    leader.links.fetch(worker.node, "embedded", { method: "POST", path: "/endless?stop", body: "" }, FOREVER);
  const running = await ask();
  if (!running.ok) throw new Error("no answer");
  const reader = running.value.body?.getReader();
  await reader?.read();
  const stopped = worker.inFlight.drain(FOREVER);
  const refused = await ask();
  expect(refused.ok ? "" : refused.error.kind).toBe("engine_unreachable");
  expect((await reader?.read())?.done).toBe(false);
  await reader?.cancel();
  await stopped;
});

test("a node without a way to it is unreachable by name, and so is one that does not exist", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { engine: ENGINE, tunnel: false });
  expect(leader.links.kindOf(worker.node)).toBeNull();
  const call = { method: "GET", path: "/x" } as const;
  const away = await leader.links.fetch(worker.node, "embedded", call, FOREVER);
  expect(away.ok ? "" : JSON.stringify(away.error)).toContain("flock join   # on that machine");
  const none = await leader.links.fetch("n_none", "embedded", call, FOREVER);
  expect(none.ok ? "" : none.error.kind).toBe("engine_unreachable");
});

test("a tunnel of 200 exchanges goes on beside a reader that reads nothing, in bounded memory", async () => {
  await using leader = await startTestLeader();
  await using worker = await startTestWorker(leader, { engine: ENGINE });
  await kindComes(leader, worker.node, "tunnel");
  const ask = async (path: string) => {
    const answer = await leader.links.fetch(worker.node, "embedded", { method: "POST", path, body: "" }, FOREVER);
    if (!answer.ok) throw new Error(JSON.stringify(answer.error));
    return answer.value;
  };
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  const slow = (await ask("/endless?slow")).body?.getReader();
  await slow?.read();
  const bytes = 500_000;
  const sizes = await Promise.all(
    Array.from({ length: 199 }, async () => (await (await ask(`/bytes?${bytes}`)).bytes()).length),
  );
  expect(sizes.every((size) => size === bytes)).toBe(true);
  // Engine, worker and leader are all in this process; what the slow reader leaves lies in a few buffers of sockets.
  const grown = process.memoryUsage().rss - before;
  expect(grown).toBeLessThan(400 * 1024 * 1024);
  const counts = leader.links.poolOf(worker.node)?.counts();
  expect(counts?.waiting).toBe(0);
  expect((await slow?.read())?.done).toBe(false);
  await slow?.cancel();
}, 60_000);
