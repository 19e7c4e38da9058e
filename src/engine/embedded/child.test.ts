import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeTinyModel } from "../../../scripts/gguf/tiny-model.ts";
import { writeHollowModel } from "../../../scripts/gguf/hollow-model.ts";
import { spawnChild, startTestChild, until } from "./test-child.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "flock-child-"));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test("a damaged model is said in one line, in /health too, and ends the process with code 3", async () => {
  const directory = temporaryDirectory();
  const modelPath = join(directory, "cut.gguf");
  const readyFile = join(directory, "ready.json");
  const whole = encodeTinyModel({ kind: "random", seed: 1 });
  writeFileSync(modelPath, whole.subarray(0, whole.length / 2));
  const child = spawnChild([modelPath], { FLOCK_ENGINE_SECRET: "s", FLOCK_ENGINE_READY_FILE: readyFile });
  const said = await until("health says that it failed", async () => {
    try {
      const { port } = JSON.parse(readFileSync(readyFile, "utf8")) as { port: number };
      const response = await fetch(`http://127.0.0.1:${port}/health`);
      const body = (await response.json()) as { status: string; reason: string };
      return body.status === "failed" && { status: response.status, reason: body.reason };
    } catch {
      return false;
    }
  });
  expect(said.status).toBe(503);
  expect(await child.exited).toBe(3);
  const log = (await new Response(child.stderr).text()).trim().split("\n");
  expect(log.at(-1)).toBe(said.reason);
  expect(said.reason).toStartWith("the model cannot be loaded: ");
  expect(said.reason).not.toContain(directory);
}, 20_000);

test("a file that is not there ends it with code 3", async () => {
  const child = spawnChild([join(temporaryDirectory(), "none.gguf")], { FLOCK_ENGINE_SECRET: "s" });
  expect(await child.exited).toBe(3);
  expect(await new Response(child.stderr).text()).toContain("its file is not there any more");
}, 20_000);

test("a model that does not fit ends it with code 3 and the numbers, before anything is allocated", async () => {
  const modelPath = join(temporaryDirectory(), "hollow.gguf");
  await writeHollowModel(modelPath, { layers: 32, embedding: 4096 });
  const child = spawnChild([modelPath], {
    FLOCK_ENGINE_SECRET: "s",
    FLOCK_ENGINE_FREE_BYTES: "20000000000",
    FLOCK_ENGINE_CONTEXT: "8192",
    FLOCK_ENGINE_SLOTS: "4",
  });
  expect(await child.exited).toBe(3);
  const log = (await new Response(child.stderr).text()).trim().split("\n");
  expect(log.at(-1)).toMatch(
    /^model needs 29\.\d GB \(weights 24\.7, context 4\.3, compute 0\.\d\), 20\.0 GB are free; use a smaller quantisation/,
  );
  // It never held what it found too large.
  expect(child.resourceUsage()?.maxRSS).toBeLessThan(1_000_000_000);
}, 20_000);

test("context and slots are chosen to fit, and the memory is told", async () => {
  const child = await startTestChild({ kind: "says", text: "yes" }, { contextTokens: 131_072, slots: 0 });
  cleanups.push(child.stop);
  expect(await (await child.get("/props")).json()).toMatchObject({
    total_slots: 4,
    default_generation_settings: { n_ctx: 32_768 },
    memory: { weights_bytes: expect.any(Number), context_bytes: expect.any(Number), compute_bytes: expect.any(Number) },
  });
  const memory = (await (await child.get("/memory")).json()) as Record<string, number>;
  expect(memory["weights_bytes"]).toBeGreaterThan(1_000_000);
  expect(memory["rss_bytes"]).toBeGreaterThan((memory["weights_bytes"] ?? 0) + (memory["context_bytes"] ?? 0) / 2);
}, 20_000);

const wrong: [string, Record<string, string>, string][] = [
  ["no secret", {}, "FLOCK_ENGINE_SECRET"],
  ["too many slots", { FLOCK_ENGINE_SECRET: "s", FLOCK_ENGINE_SLOTS: "1000" }, "FLOCK_ENGINE_SLOTS"],
  ["a strange GPU", { FLOCK_ENGINE_SECRET: "s", FLOCK_ENGINE_GPU: "maybe" }, "FLOCK_ENGINE_GPU"],
];
for (const [name, env, variable] of wrong) {
  test(`wrong settings end it with code 2 and name the variable: ${name}`, async () => {
    const child = spawnChild(["/nowhere.gguf"], env);
    expect(await child.exited).toBe(2);
    expect(await new Response(child.stderr).text()).toContain(variable);
  }, 20_000);
}

test("the ready file is private, and names the process and its instance", async () => {
  const child = await startTestChild({ kind: "says", text: "yes" });
  cleanups.push(child.stop);
  expect(statSync(child.readyFile).mode & 0o777).toBe(0o600);
  const { instance } = (await (await fetch(`${child.url}/health`)).json()) as { instance: string };
  expect(JSON.parse(readFileSync(child.readyFile, "utf8"))).toEqual({
    pid: child.process.pid,
    port: Number(new URL(child.url).port),
    instance,
  });
}, 20_000);

test("SIGTERM lets an answer end, takes no other, and ends the process with code 0", async () => {
  const child = await startTestChild({ kind: "random", seed: 3 }, { slots: 2 });
  cleanups.push(child.stop);
  const messages = [{ role: "user", content: "x" }];
  const response = await child.post("/v1/chat/completions", { messages, stream: true, max_tokens: 300 });
  const answer = response.text();
  child.process.kill("SIGTERM");
  await until("it takes no more requests", async () => {
    const late = await child.post("/v1/chat/completions", { messages }).catch(() => null);
    return late === null || late.status === 503;
  });
  expect(await answer).toEndWith("data: [DONE]\n\n");
  expect(await child.process.exited).toBe(0);
}, 20_000);
