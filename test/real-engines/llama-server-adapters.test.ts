import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { encodeTinyAdapter } from "../../scripts/gguf/tiny-adapter.ts";
import { encodeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { findEngine } from "../support/real-engine.ts";
import { poll, startFlock, temporaryDirectory } from "../support/start-flock.ts";

const program = findEngine("FLOCK_LLAMA_BIN_DIR", "llama-server");

describe.skipIf(program === null)(
  "LoRA on llama-server itself (needs llama-server on the PATH or in FLOCK_LLAMA_BIN_DIR: flock engine install llamacpp)",
  () => {
    test("an adapter's model answers otherwise than its parent, which answers as before", async () => {
      const dataDir = temporaryDirectory();
      mkdirSync(join(dataDir, "models"));
      writeFileSync(join(dataDir, "models", "noise.gguf"), encodeTinyModel({ kind: "random", seed: 11 }));
      const adapter = join(dataDir, "turned.gguf");
      writeFileSync(adapter, encodeTinyAdapter());
      const env = {
        FLOCK_ENGINE: "llamacpp",
        FLOCK_LLAMACPP_ENDPOINT: "off",
        FLOCK_LLAMA_BIN_DIR: dirname(program ?? ""),
      };
      const flock = await startFlock({ dataDir, env });
      try {
        const ask = async (model: string): Promise<string> => {
          const messages = [{ role: "user", content: "hi" }];
          const body = JSON.stringify({ model, messages, max_tokens: 24, temperature: 0, seed: 1 });
          const headers = { "content-type": "application/json" };
          const answer = await flock.fetch("/v1/chat/completions", { method: "POST", headers, body });
          expect(answer.status).toBe(200);
          const { choices } = (await answer.json()) as { choices: { message: { content: string } }[] };
          return choices[0]?.message.content ?? "";
        };
        const before = await ask("noise");
        const added = await flock.cli("model", "adapter", "add", "noise", `file:${adapter}`);
        expect(added).toMatchObject({ code: 0 });
        await poll(30_000, async () => (await (await flock.fetch("/v1/models")).text()).includes('"turned"'));
        const turned = await ask("turned");
        expect(turned).not.toBe(before);
        expect(await ask("noise")).toBe(before);
        expect(await ask("turned")).toBe(turned);
      } finally {
        await flock.stop();
        rmSync(dataDir, { recursive: true, force: true });
      }
    }, 90_000);
  },
);
