import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { findEngine, type RealEngine, startRealEngine } from "../support/real-engine.ts";
import { type Flock, startFlock } from "../support/start-flock.ts";
import { answersEverywhere } from "../support/through-flock.ts";

const program = findEngine("FLOCK_OLLAMA_BIN", "ollama");
const SAYS = "Hello from the tiny flock model.";

describe.skipIf(program === null)(
  "Ollama itself (needs ollama on the PATH or in FLOCK_OLLAMA_BIN: curl -fsSL https://ollama.com/install.sh | sh)",
  () => {
    let engine: RealEngine;
    let flock: Flock;
    beforeAll(async () => {
      engine = await startRealEngine({
        command: program ?? "",
        args: () => ["serve"],
        env: (port, folder) => ({
          OLLAMA_HOST: `127.0.0.1:${port}`,
          OLLAMA_MODELS: join(folder, "models"),
          HOME: folder,
        }),
        ready: "/",
        deadlineMs: 60_000,
      });
      const { folder, url } = engine;
      writeFileSync(join(folder, "says.gguf"), encodeTinyModel({ kind: "says", text: SAYS }));
      writeFileSync(join(folder, "Modelfile"), "FROM ./says.gguf\nPARAMETER num_ctx 1024\n");
      const made = Bun.spawnSync([program ?? "", "create", "says", "-f", join(folder, "Modelfile")], {
        cwd: folder,
        env: { ...process.env, OLLAMA_HOST: url, HOME: folder },
      });
      expect(made.exitCode).toBe(0);
      flock = await startFlock({ env: { FLOCK_OLLAMA_ENDPOINT: url } });
    }, 120_000);
    afterAll(async () => {
      await flock?.stop();
      await engine?.stop();
    });

    test("is found with the context of its Modelfile", async () => {
      const { data } = (await (await flock.fetch("/v1/models")).json()) as { data: unknown[] };
      expect(data).toEqual([expect.objectContaining({ id: "says", context_length: 1024 })]);
    });

    test("answers on every client API", () => answersEverywhere(flock, "says", SAYS), 120_000);

    test("a prompt that does not fit is an error with numbers, and is never cut", async () => {
      const messages = [{ role: "user", content: "a ".repeat(3000) }];
      const body = JSON.stringify({ model: "says", max_tokens: 5, messages });
      const answer = await flock.fetch("/v1/messages", { method: "POST", body });
      expect(answer.status).toBe(400);
      expect(await answer.text()).toMatch(/prompt is too long: \d+ tokens > 1024 maximum/);
    }, 60_000);
  },
);
