import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { callAgent } from "../../src/cluster/agent-client.ts";
import { readAgentRecord } from "../../src/cluster/agent-record.ts";
import {
  MAIN,
  poll,
  runFlockCli,
  startFlock,
  temporaryDirectory,
  testEnv,
  type Flock,
} from "../support/start-flock.ts";

let flock: Flock;
beforeAll(async () => {
  flock = await startFlock();
}, 30_000);
afterAll(() => flock.stop());

interface Engine {
  readonly id: string;
  readonly state: string;
  readonly pid: number | null;
  readonly problem: string | null;
}

async function engine(): Promise<Engine> {
  const { stdout } = await flock.cli("engine", "ls", "--json");
  const [first] = (JSON.parse(stdout) as { engines: Engine[] }).engines;
  if (first === undefined) throw new Error("no engine is listed");
  return first;
}

const chat = () =>
  flock.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hi" }] }),
  });
const isReady = async (): Promise<boolean> => (await engine()).state === "ready";

test("engines are listed without their secret, for people and as JSON", async () => {
  const table = await flock.cli("engine", "ls");
  expect(table.stdout).toMatch(/local\/embedded +embedded +ready +flock/);
  const json = (await flock.cli("engine", "ls", "--json")).stdout;
  expect(JSON.parse(json)).toMatchObject({
    engines: [{ node: "local", id: "embedded", managed: true, state: "ready" }],
  });
  expect(json).not.toContain("secret");
});

test("a stopped engine stays so, its requests hear which command starts it, and that command works", async () => {
  expect(await flock.cli("engine", "stop", "local/embedded")).toMatchObject({ code: 0 });
  expect(await engine()).toMatchObject({ state: "stopped", pid: null, problem: "stopped on request" });
  const refused = await chat();
  expect([refused.status, await refused.text()]).toEqual([
    503,
    expect.stringContaining("flock engine start local/embedded"),
  ]);
  expect(await flock.cli("engine", "start", "embedded")).toMatchObject({ code: 0 });
  await poll(20_000, isReady);
  expect((await chat()).status).toBe(200);
}, 60_000);

test("a restart gives another process, and each act stands in the audit log", async () => {
  const { pid } = await engine();
  expect(await flock.cli("engine", "restart", "local/embedded")).toMatchObject({ code: 0 });
  await poll(20_000, async () => (await engine()).pid !== pid && (await isReady()));
  const { entries } = (await (await flock.fetch("/admin/v1/audit/recent?limit=10")).json()) as {
    entries: { action: string; target: string }[];
  };
  const acts = entries.filter(({ target }) => target === "local/embedded").map(({ action }) => action);
  expect(acts.toReversed()).toEqual(["engine.stop", "engine.start", "engine.restart"]);
}, 60_000);

test("logs are shown, followed as they come, and Ctrl-C ends that without a failure", async () => {
  const shown = await flock.cli("engine", "logs", "local/embedded", "--lines", "5");
  expect(shown.code).toBe(0);
  expect(shown.stdout.trim().split("\n").length).toBeLessThanOrEqual(5);
  const follower = Bun.spawn([process.execPath, MAIN, "engine", "logs", "local/embedded", "-f"], {
    env: testEnv(flock.dataDir),
    stdout: "pipe",
    stderr: "pipe",
  });
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const piece of follower.stdout) text += decoder.decode(piece, { stream: true });
  })();
  await poll(20_000, () => text.includes("flock started this engine"));
  const before = text.split("flock started this engine").length;
  await flock.cli("engine", "restart", "local/embedded");
  await poll(20_000, () => text.split("flock started this engine").length > before);
  follower.kill("SIGINT");
  expect(await follower.exited).toBe(0);
  await reading;
}, 60_000);

test("an engine that takes no LoRA adapters refuses them by its name", async () => {
  await poll(20_000, isReady);
  const run = await flock.cli("model", "adapter", "add", "flock-tiny", "file:/nowhere/x.gguf");
  expect([run.code, run.stderr]).toEqual([1, expect.stringContaining("flock-tiny is served by embedded")]);
});

test("an unknown engine is told with those that there are", async () => {
  const run = await flock.cli("engine", "stop", "local/embeded");
  expect(run.code).toBe(5);
  expect(run.stderr).toContain("local/embedded");
});

test("a node's process is started from the version of llama.cpp that was pinned", async () => {
  const versions = join(flock.dataDir, "llama.cpp");
  const folder = join(versions, "b7-cpu/llama-b7");
  mkdirSync(folder, { recursive: true });
  const standIn = join(import.meta.dir, "../../src/agent/fixtures/rpc-server-stand-in.ts");
  for (const program of ["llama-server", "rpc-server"]) {
    writeFileSync(join(folder, program), `#!/bin/sh\nexec '${process.execPath}' '${standIn}' "$@"\n`);
    chmodSync(join(folder, program), 0o755);
  }
  writeFileSync(join(versions, "pinned"), "b7-cpu\n");
  const socket = readAgentRecord(flock.dataDir)?.socket ?? "";
  const call = (path: string, body: object) =>
    callAgent(socket, { method: "POST", path, body }, AbortSignal.timeout(20_000));
  for (const program of ["rpc-server", "llama-server"]) {
    const started = await call("/v1/process/start", { id: program, program, args: [] });
    expect(started).toMatchObject({ ok: true, value: { program, pid: expect.any(Number) } });
    expect((await call("/v1/process/stop", { id: program })).ok).toBe(true);
  }
});

test("an engine that was stopped stays so when Flock is started anew, which says so, until a person starts it", async () => {
  const dataDir = temporaryDirectory();
  const first = await startFlock({ dataDir });
  const stopped = await first.cli("engine", "stop", "local/embedded");
  expect(stopped.stdout).toContain("stays so when Flock starts again");
  expect(await first.signal("SIGTERM")).toBe(0);
  const up = await runFlockCli(dataDir, ["up", "--detach"]);
  expect(up.stdout).toContain("flock engine start local/embedded");
  expect((await runFlockCli(dataDir, ["engine", "ls"])).stdout).toMatch(/local\/embedded +embedded +stopped/);
  await runFlockCli(dataDir, ["engine", "start", "embedded"]);
  await runFlockCli(dataDir, ["down"]);
  const last = await startFlock({ dataDir });
  expect((await last.cli("engine", "ls")).stdout).toMatch(/local\/embedded +embedded +ready/);
  await last.stop();
  rmSync(dataDir, { recursive: true });
}, 60_000);
