import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { freePort } from "../../src/agent/free-port.ts";
import { makeTarGz } from "../../src/agent/install/test-archive.ts";
import { poll, processesOf, startFlock, temporaryDirectory, type Flock } from "../support/start-flock.ts";
import { writeStandinLlamaServer } from "../support/standin-binary.ts";

/** The real one where it is installed; the stand-in imitates it elsewhere. */
const real = process.env["FLOCK_LLAMA_BIN_DIR"] ?? "";
const dataDir = temporaryDirectory();
/** Taken for a moment, so that it is free when the mirror starts. */
const mirrorPort = freePort({ first: 37_000, last: 37_999 });
const bin = join(dataDir, "bin");
const env = {
  FLOCK_ENGINE: "llamacpp",
  // Nobody's llama-server on this machine is looked for.
  FLOCK_LLAMACPP_ENDPOINT: "off",
  FLOCK_LLAMA_BIN_DIR: real === "" ? bin : real,
  FLOCK_ENGINE_RELEASE_URL: `http://127.0.0.1:${mirrorPort}/releases`,
  FLOCK_DEFAULT_MODEL: "hf:tests/Tiny-GGUF:Q4_K_M",
};

let flock: Flock;
beforeAll(async () => {
  writeStandinLlamaServer(bin);
  mkdirSync(join(dataDir, "models"));
  for (const name of ["tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"]) {
    await writeTinyModel(join(dataDir, "models", name), { kind: "says", text: "yes" });
  }
  flock = await startFlock({ dataDir, env });
}, 30_000);
afterAll(async () => {
  await flock.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

interface Engine {
  readonly id: string;
  readonly kind: string;
  readonly managed: boolean;
  readonly state: string;
  readonly pid: number;
  readonly endpoint: string;
  readonly models: readonly string[];
}
const engines = async (): Promise<Engine[]> =>
  ((await (await flock.fetch("/admin/v1/engines")).json()) as { engines: Engine[] }).engines;
const chat = (model: string, stream = false) =>
  flock.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, stream, max_tokens: 20, messages: [{ role: "user", content: "hi" }] }),
  });

test("FLOCK_ENGINE=llamacpp with a model's file starts a llama-server for it, and requests are answered", async () => {
  const [own] = await engines();
  expect(own).toMatchObject({
    id: "llamacpp",
    kind: "llamacpp",
    managed: true,
    state: "ready",
    models: ["tiny-q4_k_m"],
  });
  const whole = await chat("auto");
  expect(whole.status).toBe(200);
  const { choices } = (await whole.json()) as { choices: { message: { content: string } }[] };
  expect(choices[0]?.message.content).toContain(real === "" ? "stand-in" : "yes");
  expect(await (await chat("tiny-q4_k_m", true)).text()).toContain("[DONE]");
});

test("a release is installed as a job, listed, pinned, and clear errors name the mend", async () => {
  const archive = makeTarGz([
    { path: "llama-b7/llama-server", mode: 0o755, text: await Bun.file(join(bin, "llama-server")).text() },
  ]);
  const name = `llama-b7-bin-${process.platform === "darwin" ? "macos" : "ubuntu"}-${process.arch}.tar.gz`;
  using mirror: Bun.Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: mirrorPort,
    fetch(request): Response {
      if (!new URL(request.url).pathname.endsWith("/tags/b7")) return new Response(archive);
      const digest = `sha256:${new Bun.CryptoHasher("sha256").update(archive).digest("hex")}`;
      const browser_download_url = `http://127.0.0.1:${mirror.port}/${name}`;
      return Response.json({ tag_name: "b7", assets: [{ name, size: archive.length, digest, browser_download_url }] });
    },
  });
  const variant = process.platform === "darwin" && process.arch === "arm64" ? "metal" : "cpu";
  const run = await flock.cli("engine", "install", "llamacpp", "--version", "b7", "--variant", variant);
  expect(run).toMatchObject({ code: 0 });
  const listed = JSON.parse((await flock.cli("engine", "versions", "--json")).stdout) as { versions: unknown[] };
  expect(listed.versions).toMatchObject([{ node: "local", version: "b7", variant, pinned: true }]);
  expect(await flock.cli("engine", "use", "b7")).toMatchObject({ code: 0 });
  const missing = await flock.cli("engine", "install", "llamacpp", "--version", "b8");
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("is no list of a release")]);
  const unknown = await flock.cli("engine", "use", "b9");
  expect([unknown.code, unknown.stderr]).toEqual([5, expect.stringContaining("b7")]);
}, 60_000);

test.skipIf(real !== "")(
  "a LoRA adapter is a model of its own: put on, listed, asked for, and taken off",
  async () => {
    const adapter = join(dataDir, "Sql-Lora.gguf");
    await Bun.write(adapter, "GGUF");
    const missing = await flock.cli("model", "adapter", "add", "tiny-q4_k_m", "file:/nowhere/x.gguf");
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("/nowhere/x.gguf is not a .gguf file")]);
    expect(await flock.cli("model", "adapter", "add", "tiny-q4_k_m", `file:${adapter}`)).toMatchObject({ code: 0 });
    const listed = async () =>
      (JSON.parse((await flock.cli("model", "adapter", "ls", "--json")).stdout) as { adapters: { id: string }[] })
        .adapters;
    await poll(20_000, async () => (await listed()).length > 0);
    expect(await listed()).toEqual([
      expect.objectContaining({ id: "sql-lora", model: "tiny-q4_k_m", node: "local", engine: "llamacpp" }),
    ]);
    const { data } = (await (await flock.fetch("/v1/models")).json()) as { data: { id: string; parent?: string }[] };
    expect(data.find(({ id }) => id === "sql-lora")?.parent).toBe("tiny-q4_k_m");
    // Passed through, streamed, translated, and the model itself: the adapter is applied to its own requests only.
    for (const stream of [false, true]) expect(await (await chat("sql-lora", stream)).text()).toContain("[adapter 0]");
    const messages = await flock.fetch("/v1/messages", {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
      body: JSON.stringify({ model: "sql-lora", max_tokens: 20, messages: [{ role: "user", content: "hi" }] }),
    });
    expect(await messages.text()).toContain("[adapter 0]");
    expect(await (await chat("tiny-q4_k_m")).text()).not.toContain("[adapter");
    expect(await (await chat("auto")).text()).not.toContain("[adapter");
    expect(await flock.cli("model", "adapter", "rm", "sql-lora")).toMatchObject({ code: 0 });
    await poll(20_000, async () => (await listed()).length === 0 && (await engines())[0]?.state === "ready");
    expect((await chat("sql-lora")).status).toBe(404);
    const again = await flock.cli("model", "adapter", "rm", "sql-lora");
    expect(again.code).toBe(5);
  },
  90_000,
);

test("its key is in no argument and its log is the engine's", async () => {
  const logs = await flock.cli("engine", "logs", "local/llamacpp");
  expect(logs.stdout).toContain("flock started this engine");
  const [own] = await engines();
  expect((await fetch(`${own?.endpoint}/props`)).status).toBe(401);
});

test("a leader that is killed leaves it running, and the next one takes it over", async () => {
  const [before] = await engines();
  await flock.kill();
  process.kill(processesOf(dataDir).agent ?? 0, "SIGKILL");
  flock = await startFlock({ dataDir, env });
  const [after] = await engines();
  expect(after).toMatchObject({ pid: before?.pid, endpoint: before?.endpoint, state: "ready" });
}, 60_000);

test("one that dies is started again, and a request that comes meanwhile waits for it", async () => {
  const [before] = await engines();
  process.kill(before?.pid ?? 0, "SIGKILL");
  const answer = await chat("auto");
  expect(answer.status).toBe(200);
  await poll(20_000, async () => (await engines())[0]?.pid !== before?.pid);
}, 60_000);
