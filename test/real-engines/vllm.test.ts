import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { writeTinyModel } from "../../scripts/safetensors/tiny-model.ts";
import { findEngine, type RealEngine, startRealEngine } from "../support/real-engine.ts";
import { type Flock, poll, startFlock } from "../support/start-flock.ts";
import { answersEverywhere } from "../support/through-flock.ts";

// It takes a minute to start even on nothing: only where somebody asks for it.
const program = process.env["FLOCK_VLLM_BIN"] ? findEngine("FLOCK_VLLM_BIN", "vllm") : null;
const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string", enum: ["Paris"] } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};
/** Without blanks a random model cannot put off its call for ever. */
const NO_BLANKS = { "9": -100, "10": -100, "13": -100, "32": -100 };

describe.skipIf(program === null)("vLLM itself (FLOCK_VLLM_BIN)", () => {
  let engine: RealEngine;
  let flock: Flock;
  beforeAll(async () => {
    engine = await startRealEngine({
      command: program ?? "",
      args(port, folder) {
        writeTinyModel(join(folder, "m"), { contextTokens: 1024 });
        const at = ["--host", "127.0.0.1", "--port", String(port), "--served-model-name", "tiny"];
        const tools = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"];
        return ["serve", join(folder, "m"), ...at, ...tools, "--dtype", "float32", "--enforce-eager"];
      },
      env: (_, folder) => ({
        HOME: folder,
        VLLM_API_KEY: "engine-key",
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

  test("answers on every client API", () => answersEverywhere(flock, "tiny", null), 120_000);

  test("a tool call comes through", async () => {
    const call = { tools: [TOOL], tool_choice: "required", temperature: 0, max_tokens: 300, logit_bias: NO_BLANKS };
    const openai = (await (await post("/v1/chat/completions", call)).json()) as {
      choices: { finish_reason: string; message: { tool_calls: { function: { arguments: string } }[] } }[];
    };
    expect(openai.choices[0]?.finish_reason).toBe("tool_calls");
    const said = openai.choices[0]?.message.tool_calls[0]?.function.arguments ?? "";
    expect(JSON.parse(said)).toEqual({ city: "Paris" });
  }, 120_000);

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

  test("a hang-up ends the generation", async () => {
    const abort = new AbortController();
    const body = JSON.stringify({ model: "tiny", stream: true, messages: [{ role: "user", content: "hi" }] });
    const answer = await flock.fetch("/v1/chat/completions", { method: "POST", body, signal: abort.signal });
    await answer.body?.getReader().read();
    abort.abort();
    await poll(20_000, async () => {
      const metrics = await (await fetch(`${engine.url}/metrics`)).text();
      return /vllm:num_requests_running\{[^}]*\} 0\.0/.test(metrics);
    });
  }, 60_000);
});
