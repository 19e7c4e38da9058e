import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { SAYS, THINKS, WITHOUT_END, writeTinyModel } from "../../scripts/safetensors/tiny-model.ts";
import { findEngine, type RealEngine, startRealEngine } from "../support/real-engine.ts";
import { type Flock, poll, startFlock } from "../support/start-flock.ts";
import { answersEverywhere, callsAndThinks } from "../support/through-flock.ts";

const model = "tiny-mlx";
const program = findEngine("FLOCK_MLX_BIN", "mlx_lm.server");

describe.skipIf(program === null)(
  "MLX-LM itself (needs mlx_lm.server on the PATH or in FLOCK_MLX_BIN: pip install mlx-lm 'mlx[cpu]')",
  () => {
    let engine: RealEngine;
    let flock: Flock;
    beforeAll(async () => {
      engine = await startRealEngine({
        command: program ?? "",
        args(port, folder) {
          writeTinyModel(join(folder, "tiny-mlx"), { contextTokens: 1024 });
          return ["--model", join(folder, "tiny-mlx"), "--host", "127.0.0.1", "--port", String(port)];
        },
        // It cannot list models where there is no cache at all.
        env: (_, folder) => ({ HF_HUB_CACHE: folder }),
        ready: "/health",
        deadlineMs: 60_000,
      });
      flock = await startFlock({ env: { FLOCK_MLX_ENDPOINT: engine.url } });
    }, 90_000);
    afterAll(async () => {
      await flock?.stop();
      await engine?.stop();
    });

    test("is found, with the context of its model's files and one request at a time", async () => {
      const status = (await (await flock.fetch("/admin/v1/status")).json()) as { models: unknown[] };
      expect(status.models).toEqual([
        expect.objectContaining({ id: model, engine: "mlx", context_tokens: 1024, slots: 1 }),
      ]);
    });

    test("answers on every client API", () => answersEverywhere(flock, model, SAYS), 60_000);

    test("never loads what a client names", async () => {
      const body = JSON.stringify({ model: "mlx-community/Huge", messages: [{ role: "user", content: "hi" }] });
      const answer = await flock.fetch("/v1/chat/completions", { method: "POST", body });
      expect(answer.status).toBe(404);
      expect(engine.log()).not.toContain("Huge");
    });

    test("calls tools and thinks, on OpenAI's and Anthropic's API", () => callsAndThinks(flock, model, THINKS), 60_000);

    test("an answer without a limit goes beyond the server's 512 tokens, up to the context", async () => {
      const messages = [{ role: "user", content: `go on ${WITHOUT_END}` }];
      const body = JSON.stringify({ model, messages });
      const answer = await flock.fetch("/v1/chat/completions", { method: "POST", body });
      const { usage } = (await answer.json()) as { usage: { completion_tokens: number } };
      expect(usage.completion_tokens).toBeGreaterThan(512);
      expect(usage.completion_tokens).toBeLessThanOrEqual(1024);
    }, 120_000);

    test("a hang-up frees it", async () => {
      const abort = new AbortController();
      const body = JSON.stringify({
        model,
        stream: true,
        messages: [{ role: "user", content: `go on ${WITHOUT_END}` }],
      });
      const answer = await flock.fetch("/v1/chat/completions", { method: "POST", body, signal: abort.signal });
      await answer.body?.getReader().read();
      abort.abort();
      const inFlight = async (): Promise<number> => {
        const status = (await (await flock.fetch("/admin/v1/status")).json()) as { requests_in_flight: number };
        return status.requests_in_flight;
      };
      await poll(20_000, async () => (await inFlight()) === 0);
      await answersEverywhere(flock, model, SAYS);
    }, 90_000);

    test("what it cannot do is refused by name", async () => {
      const messages = [{ role: "user", content: "hi" }];
      const asked = { model, messages, response_format: { type: "json_object" } };
      const answer = await flock.fetch("/v1/chat/completions", { method: "POST", body: JSON.stringify(asked) });
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain("structured output on MLX-LM");
      const embed = JSON.stringify({ model, input: "x" });
      expect((await flock.fetch("/v1/embeddings", { method: "POST", body: embed })).status).toBe(400);
    });
  },
);
