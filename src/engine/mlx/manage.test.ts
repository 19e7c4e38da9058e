import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mlxManager } from "./manage.ts";
import { contextOf } from "./model-context.ts";

const home = mkdtempSync(join(tmpdir(), "flock-mlx-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const never = new AbortController().signal;
const SETTINGS = { model: "", slots: 1, contextTokens: 2048 };

interface Replay {
  readonly health?: Response;
  readonly models?: Response;
  readonly server?: string;
}

const listing = (...ids: string[]): Response =>
  Response.json({ object: "list", data: ids.map((id) => ({ id, object: "model", created: 1 })) });

/** What mlx_lm.server 0.32.2 says of itself. */
async function probe(replay: Replay, settings = SETTINGS): Promise<unknown> {
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      const health = replay.health ?? Response.json({ status: "ok" });
      const answer = pathname === "/health" ? health : (replay.models ?? listing("/models/Tiny"));
      answer.headers.set("server", replay.server ?? "BaseHTTP/0.6 Python/3.11.7");
      return answer;
    },
  });
  return await mlxManager(settings).probe({ url: `http://127.0.0.1:${server.port}`, secret: "" }, never);
}

test("a model that was given as a path is asked for as the one that the server was started with", async () => {
  expect(await probe({ models: listing("org/Other-4bit", "/models/Tiny") })).toMatchObject({
    ok: true,
    value: { models: [{ model: "tiny", engineModel: "default_model", contextTokens: 2048, slots: 1 }] },
  });
});

test("the only one in the cache is the one that it serves", async () => {
  const models = [{ model: "org/qwen3-8b-4bit", engineModel: "org/Qwen3-8B-4bit" }];
  expect(await probe({ models: listing("org/Qwen3-8B-4bit") })).toMatchObject({ ok: true, value: { models } });
});

test("of several none is taken until somebody says which", async () => {
  const models = listing("org/A", "org/B");
  const value = { models: [], advice: expect.stringContaining("flock config edit (engine.mlx_model: org/A)") };
  expect(await probe({ models: models.clone() })).toMatchObject({ ok: true, value });
  const said = await probe({ models }, { ...SETTINGS, model: "org/B", slots: 3 });
  expect(said).toMatchObject({ ok: true, value: { models: [{ model: "org/b", engineModel: "org/B", slots: 3 }] } });
});

test("it breaks off its list where there is no cache yet", async () => {
  expect(await probe({ models: new Response("") })).toMatchObject({ ok: true, value: { models: [] } });
});

const strangers: [string, Replay][] = [
  ["another server with the same health", { server: "llama.cpp" }],
  ["a server that answers pages", { models: new Response("<html>") }],
  ["one whose generation has died", { health: Response.json({ status: "unavailable" }, { status: 503 }) }],
];
for (const [name, replay] of strangers) {
  test(`${name} is a failure`, async () => {
    expect(await probe(replay)).toMatchObject({ ok: false, error: { kind: "engine_failed" } });
  });
}

test("the context is what the model's files say, wherever they are", async () => {
  const path = join(home, "plain");
  const cached = join(home, ".cache/huggingface/hub/models--org--Qwen/snapshots/abc");
  mkdirSync(path, { recursive: true });
  mkdirSync(cached, { recursive: true });
  writeFileSync(join(path, "config.json"), JSON.stringify({ max_position_embeddings: 4096 }));
  writeFileSync(join(cached, "config.json"), JSON.stringify({ text_config: { max_position_embeddings: 40_960 } }));
  expect(await contextOf(path, home)).toBe(4096);
  expect(await contextOf("org/Qwen", home)).toBe(40_960);
  expect(await contextOf("org/unknown", home)).toBe(32_768);
});
