import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { findEngine, type RealEngine, startRealEngine } from "../support/real-engine.ts";
import { type Flock, poll, startFlock } from "../support/start-flock.ts";
import { answersEverywhere } from "../support/through-flock.ts";

const program = findEngine("FLOCK_LLAMA_BIN_DIR", "llama-server");
const SAYS = "Hello from the tiny flock model.";

describe.skipIf(program === null)(
  "llama-server itself (needs llama-server on the PATH or in FLOCK_LLAMA_BIN_DIR: flock engine install llamacpp)",
  () => {
    let engine: RealEngine;
    let flock: Flock;
    beforeAll(async () => {
      engine = await startRealEngine({
        command: program ?? "",
        args(port, folder) {
          const model = join(folder, "says.gguf");
          writeFileSync(model, encodeTinyModel({ kind: "says", text: SAYS }));
          const at = ["--host", "127.0.0.1", "--port", String(port)];
          return [
            "-m",
            model,
            ...at,
            "-t",
            "1",
            "-c",
            "2048",
            "-np",
            "2",
            "--jinja",
            "--embeddings",
            "--pooling",
            "mean",
          ];
        },
        env: () => ({ LLAMA_API_KEY: "engine-key" }),
        ready: "/health",
        deadlineMs: 60_000,
      });
      const env = { FLOCK_LLAMACPP_ENDPOINT: engine.url, FLOCK_LLAMACPP_API_KEY: "engine-key" };
      flock = await startFlock({ env });
    }, 90_000);
    afterAll(async () => {
      await flock?.stop();
      await engine?.stop();
    });

    test("is found with its window, its slots and what it was started for", async () => {
      const { data } = (await (await flock.fetch("/v1/models")).json()) as { data: { capabilities: string[] }[] };
      expect(data).toEqual([expect.objectContaining({ id: "says", context_length: 1024 })]);
      expect(data[0]?.capabilities).toContain("embeddings");
      expect(data[0]?.capabilities).not.toContain("rerank");
      const status = await flock.cli("status");
      expect(status.stdout).toMatch(/says\s+llamacpp\s+local\s+1,024\s+0\/2/);
      expect(status.stdout).not.toContain("engine-key");
    });

    test("answers on every client API", () => answersEverywhere(flock, "says", SAYS), 60_000);

    test("a prompt that does not fit is told with its numbers, in the words of each API", async () => {
      const messages = [{ role: "user", content: "a ".repeat(3000) }];
      const openai = await flock.fetch("/v1/chat/completions", {
        method: "POST",
        body: JSON.stringify({ model: "says", messages }),
      });
      expect(openai.status).toBe(400);
      expect(await openai.json()).toMatchObject({ error: { code: "context_length_exceeded" } });
      const anthropic = await flock.fetch("/v1/messages", {
        method: "POST",
        body: JSON.stringify({ model: "says", max_tokens: 5, messages }),
      });
      expect(await anthropic.text()).toMatch(/prompt is too long: \d+ tokens > 1024 maximum/);
    });

    test("tokens are counted exactly, and texts become vectors", async () => {
      const count = JSON.stringify({ model: "says", messages: [{ role: "user", content: "hi" }] });
      const counted = await flock.fetch("/v1/messages/count_tokens", { method: "POST", body: count });
      expect(counted.headers.get("x-flock-count")).toBeNull();
      const embed = JSON.stringify({ model: "says", input: ["a", "b"] });
      const vectors = await flock.fetch("/v1/embeddings", { method: "POST", body: embed });
      expect(((await vectors.json()) as { data: unknown[] }).data).toHaveLength(2);
    });

    test("a hang-up frees its slot", async () => {
      const abort = new AbortController();
      const body = JSON.stringify({
        model: "says",
        stream: true,
        messages: [{ role: "user", content: "x ".repeat(400) }],
      });
      const asked = flock.fetch("/v1/chat/completions", { method: "POST", body, signal: abort.signal });
      setTimeout(() => abort.abort(), 5);
      await asked.then((answer) => answer.text()).catch(() => undefined);
      const headers = { authorization: "Bearer engine-key" };
      await poll(20_000, async () => {
        const slots = (await (await fetch(`${engine.url}/slots`, { headers })).json()) as { is_processing: boolean }[];
        return slots.every(({ is_processing: busy }) => !busy);
      });
    }, 60_000);
  },
);
