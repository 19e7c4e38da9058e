import { expect, test } from "bun:test";
import type { EngineManager } from "../driver.ts";
import { ollamaManager } from "./manage.ts";

const SETTINGS = { contextTokens: 0, slots: 1, keepAlive: "", memoryBytes: 64e9 };

interface Asked {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** A stand-in for what Ollama 0.33 says of itself, from its documentation and source. */
const TAGS = {
  models: [
    { name: "qwen3:8b", digest: "sha256:aa", size: 5e9, details: { family: "qwen3" } },
    { name: "nomic-embed-text:latest", digest: "sha256:bb", size: 3e8 },
    { name: "gpt-oss:120b-cloud", digest: "sha256:cc", size: 300, remote_host: "https://ollama.example" },
    { name: "kimi:cloud", digest: "sha256:dd", size: 300 },
  ],
};
const SHOWN: Record<string, unknown> = {
  "qwen3:8b": {
    parameters: "num_ctx                        16384",
    capabilities: ["completion", "tools", "thinking", "vision"],
    model_info: { "general.architecture": "qwen3", "qwen3.context_length": 40960 },
  },
  "nomic-embed-text:latest": {
    capabilities: ["embedding"],
    model_info: { "general.architecture": "nomic-bert", "nomic-bert.context_length": 2048 },
  },
};

async function withOllama<T>(
  routes: Record<string, (asked: Asked) => Response>,
  use: (url: string, asked: Asked[]) => Promise<T>,
): Promise<T> {
  const asked: Asked[] = [];
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const path = new URL(request.url).pathname;
      const body = request.body ? ((await request.json()) as Record<string, unknown>) : {};
      asked.push({ path, body });
      return routes[path]?.({ path, body }) ?? new Response("404 page not found", { status: 404 });
    },
  });
  return await use(`http://127.0.0.1:${server.port}`, asked);
}

const RUNNING: Record<string, (asked: Asked) => Response> = {
  "/": () => new Response("Ollama is running"),
  "/api/version": () => Response.json({ version: "0.33.0" }),
  "/api/tags": () => Response.json(TAGS),
  "/api/show": ({ body }) => Response.json(SHOWN[String(body.model)] ?? {}),
};

const never = new AbortController().signal;
const probe = (manager: EngineManager, url: string) => manager.probe({ url, secret: "" }, never);

test("lists its models with a context that is always the same, and never those that run elsewhere", async () => {
  await withOllama(RUNNING, async (url, asked) => {
    const manager = ollamaManager(SETTINGS);
    const info = await probe(manager, url);
    const abilities = { rerank: false, audio: false };
    expect(info).toEqual({
      ok: true,
      value: {
        version: "0.33.0",
        gpu: null,
        models: [
          {
            model: "qwen3:8b",
            engineModel: "qwen3:8b",
            contextTokens: 16_384,
            slots: 1,
            abilities: { ...abilities, chat: true, embeddings: false, tools: true, images: true, thinking: true },
            smokeTest: false,
          },
          {
            model: "nomic-embed-text",
            engineModel: "nomic-embed-text:latest",
            contextTokens: 2048,
            slots: 1,
            abilities: { ...abilities, chat: false, embeddings: true, tools: false, images: false, thinking: false },
            smokeTest: false,
          },
        ],
      },
    });
    await probe(manager, url);
    // A model is asked about once, however often the list is looked at.
    expect(asked.filter(({ path }) => path === "/api/show")).toHaveLength(2);
  });
});

test("settings decide on context, slots and how long a model stays", async () => {
  await withOllama(RUNNING, async (url) => {
    const info = await probe(ollamaManager({ ...SETTINGS, contextTokens: 32_768, slots: 4, keepAlive: "-1" }), url);
    expect(info).toMatchObject({
      ok: true,
      value: { models: [{ contextTokens: 32_768, slots: 4, keepAlive: -1 }, {}] },
    });
  });
});

const strangers: [string, Record<string, (asked: Asked) => Response>, string][] = [
  ["Flock itself", { ...RUNNING, "/": () => new Response("Flock is running\n") }, "engine_failed"],
  ["a server that answers everything", { "/": () => new Response("ok") }, "engine_failed"],
  ["a page", { ...RUNNING, "/api/tags": () => new Response("<html>") }, "engine_failed"],
];
for (const [name, routes, kind] of strangers) {
  test(`${name} is not taken for Ollama`, async () => {
    await withOllama(routes, async (url) => {
      expect(await probe(ollamaManager(SETTINGS), url)).toMatchObject({ ok: false, error: { kind } });
    });
  });
}

test("loading and unloading ask for the context that requests ask for", async () => {
  const routes = { ...RUNNING, "/api/generate": () => Response.json({ done: true, done_reason: "load" }) };
  await withOllama(routes, async (url, asked) => {
    const manager = ollamaManager(SETTINGS);
    const at = { url, secret: "" };
    await probe(manager, url);
    expect(await manager.load?.(at, "qwen3:8b", never)).toEqual({ ok: true, value: undefined });
    expect(await manager.unload?.(at, "qwen3:8b", never)).toEqual({ ok: true, value: undefined });
    const kept = { model: "qwen3:8b", stream: false, options: { num_ctx: 16_384 } };
    expect(asked.slice(-2).map(({ body }) => body)).toEqual([
      { ...kept, keep_alive: -1 },
      { ...kept, keep_alive: 0 },
    ]);
  });
});

test("a model that is not there cannot be deleted, and says so", async () => {
  const routes = { ...RUNNING, "/api/delete": () => Response.json({ error: "model not found" }, { status: 404 }) };
  await withOllama(routes, async (url) => {
    const removed = await ollamaManager(SETTINGS).remove?.({ url, secret: "" }, "nope", never);
    expect(removed).toEqual({ ok: false, error: { kind: "unknown_model", model: "nope", nearest: [] } });
  });
});

const line = (value: object): string => `${JSON.stringify(value)}\n`;
const LAYER = { status: "pulling aabbccddeeff", digest: "sha256:aa", total: 100 };

test("a download tells how far it is, over all layers, and ends with success", async () => {
  const lines = [
    line({ status: "pulling manifest" }),
    line(LAYER),
    line({ ...LAYER, completed: 40 }),
    line({ status: "pulling 11", digest: "sha256:bb", total: 10, completed: 10 }),
    line({ status: "verifying sha256 digest" }),
    line({ status: "success" }),
  ];
  await withOllama({ "/api/pull": () => new Response(lines.join("")) }, async (url) => {
    const seen: string[] = [];
    const pulled = await ollamaManager(SETTINGS).pull?.(
      { url, secret: "" },
      "qwen3:8b",
      ({ status, completedBytes, totalBytes }) => seen.push(`${status} ${completedBytes}/${totalBytes}`),
      never,
    );
    expect(pulled).toEqual({ ok: true, value: undefined });
    expect(seen).toEqual([
      "pulling manifest 0/0",
      "pulling aabbccddeeff 0/100",
      "pulling aabbccddeeff 40/100",
      "pulling 11 50/110",
      "verifying sha256 digest 50/110",
    ]);
  });
});

const failures: [string, string, object][] = [
  ["an error line inside a 200", line(LAYER) + line({ error: "pull model manifest: file does not exist" }), {}],
  ["no success at the end", line(LAYER), { cause: "the download ended before it was complete" }],
  ["half a line", `${line(LAYER)}{"status":"succ`, {}],
];
for (const [name, text, error] of failures) {
  test(`a download fails with ${name}`, async () => {
    await withOllama({ "/api/pull": () => new Response(text) }, async (url) => {
      const pulled = await ollamaManager(SETTINGS).pull?.({ url, secret: "" }, "x", () => undefined, never);
      expect(pulled).toMatchObject({ ok: false, error: { kind: "engine_failed", ...error } });
    });
  });
}

test("a download that is cancelled hangs up", async () => {
  const hungUp = Promise.withResolvers<void>();
  const stream = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(line(LAYER))),
    cancel: () => hungUp.resolve(),
  });
  await withOllama({ "/api/pull": () => new Response(stream) }, async (url) => {
    const abort = new AbortController();
    const at = { url, secret: "" };
    const pulled = await ollamaManager(SETTINGS).pull?.(at, "x", () => abort.abort(), abort.signal);
    expect(pulled).toEqual({ ok: false, error: { kind: "cancelled" } });
    await hungUp.promise;
  });
});

test("a cloud tag is refused before anything is sent", async () => {
  const at = { url: "http://127.0.0.1:1", secret: "" };
  const pulled = await ollamaManager(SETTINGS).pull?.(at, "gpt-oss:120b-cloud", () => undefined, never);
  expect(pulled).toMatchObject({ ok: false, error: { kind: "unsupported", capability: "cloud models" } });
});
