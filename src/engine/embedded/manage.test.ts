import { afterAll, beforeAll, expect, test } from "bun:test";
import { able } from "../../core/test-replica.ts";
import { embeddedLaunch, embeddedManager } from "./manage.ts";
import { startTestChild, type TestChild } from "./test-child.ts";

const signal = new AbortController().signal;

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild({ kind: "says", text: "yes" }, { windowTokens: 1024, slots: 3, smokeTest: true });
}, 30_000);
afterAll(() => child.stop());

test("a running engine says what it serves", async () => {
  const info = await embeddedManager.probe({ url: child.url, secret: child.secret }, signal);
  expect(info).toEqual({
    ok: true,
    value: {
      version: expect.stringMatching(/^llama\.cpp /),
      gpu: null,
      models: [
        {
          model: "tiny",
          engineModel: "tiny",
          contextTokens: 1024,
          slots: 3,
          abilities: able("chat", "embeddings"),
          smokeTest: true,
        },
      ],
    },
  });
});

test("a wrong secret is a failure", async () => {
  const info = await embeddedManager.probe({ url: child.url, secret: "wrong" }, signal);
  expect(info).toMatchObject({ ok: false, error: { kind: "engine_failed" } });
});

test("nothing at the address is an engine that cannot be reached, with the command that starts it", async () => {
  const info = await embeddedManager.probe({ url: "http://127.0.0.1:1", secret: "x" }, signal);
  expect(info).toMatchObject({ ok: false, error: { kind: "engine_unreachable", start: "flock up" } });
});

const others: [string, object, number, string][] = [
  ["another server", { hello: "there" }, 200, "engine_failed"],
  ["an engine that loads", { status: "loading", instance: "x" }, 503, "engine_unreachable"],
  ["an engine whose model is broken", { status: "failed", instance: "x", reason: "cut off" }, 503, "engine_failed"],
  ["a server that is healthy and has other props", { status: "ok", instance: "x" }, 200, "engine_failed"],
];
for (const [name, body, status, kind] of others) {
  test(`${name} is not taken for a ready engine`, async () => {
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json(body, { status }) });
    const info = await embeddedManager.probe({ url: `http://127.0.0.1:${server.port}`, secret: "x" }, signal);
    expect(info).toMatchObject({ ok: false, error: { kind } });
  });
}

test("the launch holds the settings by environment and no secret", () => {
  const spec = embeddedLaunch({
    id: "embedded",
    modelPath: "/m/x.gguf",
    modelId: "x",
    modelBytes: 3_000_000_000,
    contextTokens: 0,
    slots: 2,
    threads: 3,
    gpu: "off",
    childCommand: ["/bin/flock", "engine/child.mjs"],
    childEnv: { BUN_BE_BUN: "1" },
    cwd: "/",
  });
  expect(spec).toEqual({
    id: "embedded",
    kind: "embedded",
    command: "/bin/flock",
    args: ["engine/child.mjs", "/m/x.gguf"],
    env: {
      BUN_BE_BUN: "1",
      FLOCK_ENGINE_MODEL_ID: "x",
      FLOCK_ENGINE_CONTEXT: "0",
      FLOCK_ENGINE_SLOTS: "2",
      FLOCK_ENGINE_THREADS: "3",
      FLOCK_ENGINE_GPU: "off",
    },
    cwd: "/",
    readyTimeoutMs: 160_000,
  });
});
