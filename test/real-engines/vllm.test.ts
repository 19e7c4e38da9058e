import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { SAYS, THINKS, WITHOUT_END, writeTinyModel } from "../../scripts/safetensors/tiny-model.ts";
import { writeTinyAdapter } from "../../scripts/safetensors/tiny-adapter.ts";
import { findEngine, type RealEngine, startRealEngine } from "../support/real-engine.ts";
import { type Flock, poll, startFlock } from "../support/start-flock.ts";
import { answersEverywhere, callsAndThinks } from "../support/through-flock.ts";

// It takes a minute to start even on nothing: only where somebody asks for it.
const program = process.env["FLOCK_VLLM_BIN"] ? findEngine("FLOCK_VLLM_BIN", "vllm") : null;

describe.skipIf(program === null)("vLLM itself (needs vllm in FLOCK_VLLM_BIN: pip install vllm)", () => {
  let engine: RealEngine;
  let flock: Flock;
  beforeAll(async () => {
    engine = await startRealEngine({
      command: program ?? "",
      args(port, folder) {
        writeTinyModel(join(folder, "m"), { contextTokens: 1024 });
        const at = ["--host", "127.0.0.1", "--port", String(port), "--served-model-name", "tiny"];
        const tools = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"];
        const lora = ["--enable-lora", "--max-lora-rank", "8"];
        return ["serve", join(folder, "m"), ...at, ...tools, ...lora, "--dtype", "float32", "--enforce-eager"];
      },
      env: (_, folder) => ({
        HOME: folder,
        VLLM_API_KEY: "engine-key",
        VLLM_ALLOW_RUNTIME_LORA_UPDATING: "True",
        VLLM_CPU_KVCACHE_SPACE: "1",
        VLLM_CPU_OMP_THREADS_BIND: "nobind",
        VLLM_NO_USAGE_STATS: "1",
      }),
      ready: "/health",
      deadlineMs: 280_000,
    });
    flock = await startFlock({ env: { FLOCK_VLLM_ENDPOINT: engine.url, VLLM_API_KEY: "engine-key" } });
  }, 300_000);
  afterAll(async () => {
    await flock?.stop();
    await engine?.stop();
  });
  const post = (path: string, body: object): Promise<Response> =>
    flock.fetch(path, {
      method: "POST",
      body: JSON.stringify({ model: "tiny", messages: [{ role: "user", content: "hi" }], ...body }),
    });

  test("is found with its context, and tells its queue and cache", async () => {
    const status = (await (await flock.fetch("/admin/v1/status")).json()) as { models: unknown[] };
    const load = { running: expect.any(Number), waiting: 0, kv_cache_usage: expect.any(Number) };
    expect(status.models).toEqual([
      expect.objectContaining({ id: "tiny", engine: "vllm", context_tokens: 1024, load }),
    ]);
  });

  test("answers on every client API", () => answersEverywhere(flock, "tiny", SAYS), 120_000);

  test("calls tools and thinks, on OpenAI's and Anthropic's API", () => callsAndThinks(flock, "tiny", THINKS), 120_000);

  test("a prompt that does not fit is told with its numbers", async () => {
    const messages = [{ role: "user", content: "a".repeat(3000) }];
    const answer = await post("/v1/messages", { max_tokens: 5, messages });
    expect(await answer.text()).toMatch(/prompt is too long: \d+ tokens > 1024 maximum/);
  });

  test("tokens are counted exactly", async () => {
    const counted = await post("/v1/messages/count_tokens", {});
    expect(counted.headers.get("x-flock-count")).toBeNull();
    expect(await counted.json()).toEqual({ input_tokens: 21 });
  });

  test("an adapter is put on while it runs, is a model of its own, and comes off", async () => {
    const adapter = join(engine.folder, "ours");
    writeTinyAdapter(adapter);
    const missing = await flock.cli("model", "adapter", "add", "tiny", `file:${join(engine.folder, "nowhere")}`);
    expect(missing.code).not.toBe(0);
    const added = await flock.cli("model", "adapter", "add", "tiny", `file:${adapter}`);
    expect(added.stdout).toContain("ours is an adapter of tiny");
    await poll(20_000, async () => (await (await flock.fetch("/v1/models")).text()).includes('"ours"'));
    await answersEverywhere(flock, "ours", SAYS);
    expect((await flock.cli("model", "adapter", "rm", "ours")).code).toBe(0);
    await poll(20_000, async () => !(await (await flock.fetch("/v1/models")).text()).includes('"ours"'));
  }, 120_000);

  test("a hang-up ends the generation", async () => {
    const abort = new AbortController();
    const body = JSON.stringify({ model: "tiny", stream: true, messages: [{ role: "user", content: WITHOUT_END }] });
    const answer = await flock.fetch("/v1/chat/completions", { method: "POST", body, signal: abort.signal });
    await answer.body?.getReader().read();
    abort.abort();
    await poll(20_000, async () => {
      const metrics = await (await fetch(`${engine.url}/metrics`)).text();
      return /vllm:num_requests_running\{[^}]*\} 0\.0/.test(metrics);
    });
  }, 60_000);
});
