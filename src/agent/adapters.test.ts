import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { able } from "../core/test-replica.ts";
import { systemClock } from "../core/clock.ts";
import { err, ok } from "../core/result.ts";
import type { EngineManager } from "../engine/driver.ts";
import { AdapterBook, changeAdapters, findAdapter } from "./adapters.ts";
import { AttachedEngine } from "./attached-engine.ts";
import { until } from "./fixtures/until.ts";
import { KeptAdapters } from "./kept-adapters.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-adapters-"));
const servers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

const places = { modelsDir: folder, home: folder, hubCache: "" };
const sql = { name: "sql", path: "/models/sql.gguf" };

test("what each engine is started with is kept, and told per engine", () => {
  const book = new AdapterBook(folder);
  book.set("llamacpp", [sql]);
  book.set("llamacpp-other", [{ name: "b", path: "/b.gguf" }]);
  expect(new AdapterBook(folder).of("llamacpp")).toEqual([sql]);
  book.set("llamacpp", []);
  expect(new AdapterBook(folder).of("llamacpp")).toEqual([]);
  expect(new AdapterBook(folder).of("llamacpp-other")).toHaveLength(1);
});

test("an adapter twice is one; another file of the same name is refused, and so is one that is not there", () => {
  expect(changeAdapters([sql], { action: "add", adapter: sql })).toEqual({ ok: true, value: null });
  const other = { name: "sql", path: "/other/sql.gguf" };
  expect(changeAdapters([sql], { action: "add", adapter: other })).toMatchObject({ ok: false, error: { status: 409 } });
  expect(changeAdapters([sql], { action: "remove", name: "x" })).toMatchObject({ ok: false, error: { status: 404 } });
  expect(changeAdapters([sql], { action: "remove", name: "sql" })).toEqual({ ok: true, value: [] });
});

test("llama-server takes a file, vLLM a directory or a repository", () => {
  const [file, directory] = [join(folder, "Ours.gguf"), join(folder, "Ours-Peft")];
  writeFileSync(file, "GGUF");
  mkdirSync(directory);
  expect(findAdapter(`file:${file}`, "llamacpp", places)).toEqual({ ok: true, value: { name: "ours", path: file } });
  expect(findAdapter(`file:${directory}`, "vllm", places)).toMatchObject({ ok: true, value: { name: "ours-peft" } });
  expect(findAdapter("hf:us/Ours", "vllm", places)).toEqual({ ok: true, value: { name: "ours", path: "us/Ours" } });
  expect(findAdapter(`file:${directory}`, "llamacpp", places)).toMatchObject({ ok: false, error: { status: 404 } });
  expect(findAdapter("file:ours.gguf", "llamacpp", places)).toMatchObject({ ok: false, error: { status: 400 } });
  rmSync(directory, { recursive: true });
});

/** A vLLM that answers as documented; `enabled` false: it was not started for adapters. */
function attached(kind: EngineManager["kind"], enabled = true) {
  const asked: unknown[] = [];
  const server: Bun.Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request): Promise<Response> {
      if (!enabled) return Response.json({ detail: "Not Found" }, { status: 404 });
      const body: unknown = await request.json();
      const before = asked.some((one) => JSON.stringify(one) === JSON.stringify(body));
      asked.push(body);
      if (before) return Response.json({ error: { message: "already been loaded" } }, { status: 400 });
      return new Response("Success: LoRA adapter added successfully.");
    },
  });
  servers.push(server);
  const down = { kind: "engine_unreachable", engine: kind, endpoint: "", start: "" } as const;
  const manager: EngineManager = { kind, startCommand: `${kind} start`, probe: () => Promise.resolve(err(down)) };
  const times = { probeEveryMs: 1_000, probeTimeoutMs: 1_000 };
  const at = { url: `http://127.0.0.1:${server.port}`, secret: "" };
  const adapters = new KeptAdapters(kind, new AdapterBook(mkdtempSync(join(folder, "book-"))), systemClock);
  const parts = { clock: systemClock, times, onChange: () => undefined, ...(kind === "vllm" ? { adapters } : {}) };
  return { asked, engine: new AttachedEngine("local", at, manager, parts) };
}

test("a vLLM that runs takes an adapter at run time, and gives it up", async () => {
  const { asked, engine } = attached("vllm");
  const adapter = { name: "sql", path: "/models/sql" };
  expect(await engine.adapt({ action: "add", adapter })).toEqual({ ok: true, value: undefined });
  expect(await engine.adapt({ action: "add", adapter })).toEqual({ ok: true, value: undefined });
  expect(await engine.adapt({ action: "remove", name: "sql" })).toEqual({ ok: true, value: undefined });
  expect(asked[0]).toEqual({ lora_name: "sql", lora_path: "/models/sql" });
  expect(asked[2]).toEqual({ lora_name: "sql" });
});

test("a vLLM that was not started for it, and engines that cannot, refuse with what mends it", async () => {
  const adapter = { name: "sql", path: "/models/sql" };
  const closed = await attached("vllm", false).engine.adapt({ action: "add", adapter });
  expect(closed).toMatchObject({ ok: false, error: { mend: expect.stringContaining("--enable-lora") } });
  const llama = await attached("llamacpp").engine.adapt({ action: "add", adapter });
  expect(llama).toMatchObject({ ok: false, error: { mend: expect.stringContaining("--lora-init-without-apply") } });
  for (const kind of ["ollama", "mlx"] as const) {
    const refused = await attached(kind).engine.adapt({ action: "add", adapter });
    expect(refused).toMatchObject({ ok: false, error: { message: expect.stringContaining(kind) } });
  }
});

/** A vLLM that forgets its adapters when it is started anew, as the real one does. */
function forgetfulVllm() {
  const state = { loaded: new Map<string, string>(), up: true, refuses: false };
  const server: Bun.Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request): Promise<Response> {
      const { pathname } = new URL(request.url);
      const { lora_name: name = "", lora_path: path = "" } = (await request.json()) as Record<string, string>;
      if (pathname === "/v1/load_lora_adapter") {
        if (state.refuses) return Response.json({ error: { message: "no such base model" } }, { status: 400 });
        state.loaded.set(name, path);
        return new Response("Success");
      }
      const known = state.loaded.delete(name);
      return known ? new Response("Success") : Response.json({ error: { type: "NotFoundError" } }, { status: 404 });
    },
  });
  servers.push(server);
  const at = { url: `http://127.0.0.1:${server.port}`, secret: "" };
  const abilities = able("chat");
  const served = (model: string) => ({
    model,
    engineModel: model,
    contextTokens: 512,
    slots: 1,
    abilities,
    smokeTest: false,
  });
  const manager: EngineManager = {
    kind: "vllm",
    startCommand: "vllm serve",
    probe: () =>
      Promise.resolve(
        state.up
          ? ok({ version: "1", models: ["base", ...state.loaded.keys()].map(served), gpu: null })
          : err({ kind: "engine_unreachable", engine: "vllm", endpoint: at.url, start: "" }),
      ),
  };
  return { state, at, manager };
}

test("what was put on a vLLM of somebody else's is put back when it was started anew, by a later agent too", async () => {
  const { state, at, manager } = forgetfulVllm();
  const book = mkdtempSync(join(folder, "book-"));
  const attach = (): AttachedEngine => {
    const adapters = new KeptAdapters("vllm", new AdapterBook(book), systemClock);
    const times = { probeEveryMs: 10, probeTimeoutMs: 1_000 };
    const engine = new AttachedEngine("local", at, manager, {
      clock: systemClock,
      times,
      onChange: () => undefined,
      adapters,
    });
    engine.start();
    return engine;
  };
  const serves = (engine: AttachedEngine) => () => engine.replicas().some(({ model }) => model === "sql");
  const first = attach();
  await first.adapt({ action: "add", adapter: { name: "sql", path: "/models/sql" } });
  await until("it is served", serves(first));
  state.up = false;
  await until("vLLM is gone", () => first.status().state === "stopped");
  state.loaded.clear();
  state.up = true;
  await until("it is served again", serves(first));
  expect(state.loaded.get("sql")).toBe("/models/sql");
  await first.release();

  state.loaded.clear();
  const second = attach();
  await until("it is served by the next agent", serves(second));
  expect(await second.adapt({ action: "remove", name: "sql" })).toEqual({ ok: true, value: undefined });
  await until("it is off", () => second.status().state === "ready" && !serves(second)());
  expect(new AdapterBook(book).of("attached vllm")).toEqual([]);
  await second.release();
});

test("one that cannot be put back is told, is not tried with every look, and can be taken off", async () => {
  const { state, at } = forgetfulVllm();
  const book = new AdapterBook(mkdtempSync(join(folder, "book-")));
  book.set("attached vllm", [{ name: "sql", path: "/models/sql" }]);
  state.refuses = true;
  const adapters = new KeptAdapters("vllm", book, systemClock);
  const info = { version: "1", models: [], gpu: null };
  const { signal } = new AbortController();
  expect(await adapters.putBack(at, info, signal)).toBe(true);
  expect(adapters.problem()).toContain("flock model adapter rm sql");
  state.refuses = false;
  expect(await adapters.putBack(at, info, signal)).toBe(false);
  expect(state.loaded.size).toBe(0);
  expect(await adapters.change(at, { action: "remove", name: "sql" }, signal)).toEqual({ ok: true, value: undefined });
  expect(adapters.problem()).toBeNull();
  expect(book.of("attached vllm")).toEqual([]);
});
