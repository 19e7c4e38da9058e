import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { SAYS, writeTinyModel } from "../../scripts/safetensors/tiny-model.ts";
import { findEngine } from "../support/real-engine.ts";
import { poll, startFlock, temporaryDirectory } from "../support/start-flock.ts";

interface Engine {
  readonly id: string;
  readonly managed: boolean;
  readonly state: string;
  readonly pid: number;
  readonly problem: string | null;
}

/** Started by Flock itself, on a tiny model: ready, answering, killed, and back. */
async function startedByFlock(kind: "mlx", program: string, deadlineMs: number): Promise<void> {
  const dataDir = temporaryDirectory();
  const model = join(dataDir, "tiny-started");
  writeTinyModel(model, { contextTokens: 1024 });
  const env = {
    FLOCK_ENGINE: kind,
    [`FLOCK_${kind.toUpperCase()}_ENDPOINT`]: "off",
    FLOCK_DEFAULT_MODEL: `file:${model}`,
    HF_HUB_CACHE: join(dataDir, "hub"),
    PATH: `${dirname(program)}:${process.env["PATH"] ?? ""}`,
  };
  const flock = await startFlock({ dataDir, env, waitFor: "listening" });
  try {
    const engine = async (): Promise<Engine | undefined> =>
      ((await (await flock.fetch("/admin/v1/engines")).json()) as { engines: Engine[] }).engines[0];
    const ready = () => poll(deadlineMs, async () => (await engine())?.state === "ready");
    const chat = async (): Promise<string> => {
      const body = JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hi" }] });
      const headers = { "content-type": "application/json" };
      return await (await flock.fetch("/v1/chat/completions", { method: "POST", headers, body })).text();
    };
    await ready();
    const before = await engine();
    expect(before).toMatchObject({ id: kind, managed: true, problem: null });
    expect(await chat()).toContain(SAYS);
    process.kill(before?.pid ?? 0, "SIGKILL");
    await poll(deadlineMs, async () => (await engine())?.pid !== before?.pid);
    await ready();
    expect(await chat()).toContain(SAYS);
    expect((await flock.cli("engine", "stop", kind)).code).toBe(0);
    expect(await engine()).toMatchObject({ state: "stopped", pid: null });
  } finally {
    await flock.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const mlx = findEngine("FLOCK_MLX_BIN", "mlx_lm.server");
describe.skipIf(mlx === null)(
  "MLX-LM itself, started by Flock (needs mlx_lm.server on the PATH or in FLOCK_MLX_BIN: pip install mlx-lm 'mlx[cpu]')",
  () => {
    test(
      "serves, comes back after its death, and stops on request",
      () => startedByFlock("mlx", mlx ?? "", 90_000),
      240_000,
    );
  },
);
