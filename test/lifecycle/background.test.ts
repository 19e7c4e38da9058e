import { afterAll, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/cluster/process-identity.ts";
import { poll, processesOf, runFlockCli, startFlock, temporaryDirectory } from "../support/start-flock.ts";

const base = temporaryDirectory();
const dataDir = join(base, "data");
afterAll(async () => {
  await runFlockCli(dataDir, ["down"]);
  rmSync(base, { recursive: true, force: true });
});

test("a detached start returns with the ready block, is shown by status, refuses nothing twice, and down ends all of it", async () => {
  const up = await runFlockCli(dataDir, ["up", "--detach"]);
  expect([up.code, up.stderr]).toEqual([0, ""]);
  expect(up.stdout).toContain("Flock is ready.");
  expect(up.stdout).toMatch(/Admin API key: +sk-orc-\S{30,}/);
  const url = /API: +(\S+)\/v1/.exec(up.stdout)?.[1] ?? "";

  const status = await runFlockCli(dataDir, ["status"]);
  expect(status.code).toBe(0);
  expect(status.stdout).toContain(url);
  const json = JSON.parse((await runFlockCli(dataDir, ["status", "--json"])).stdout) as {
    pid: number;
    default_model: string;
  };
  expect(json.default_model).toBe("flock-tiny");

  const again = await runFlockCli(dataDir, ["up"]);
  expect([again.code, again.stderr]).toEqual([0, ""]);
  expect(again.stdout).toContain(`already running at ${url}`);

  const offline = await runFlockCli(dataDir, ["token", "create", "--admin", "--offline"]);
  expect(offline.code).toBe(1);
  expect(offline.stderr).toContain("flock down && flock token create --admin --offline");

  const { agent, engines } = processesOf(dataDir);
  const down = await runFlockCli(dataDir, ["down"]);
  expect([down.code, down.stdout]).toEqual([0, "✔ Flock has stopped\n"]);
  for (const pid of [json.pid, agent ?? 0, ...engines]) expect(isAlive(pid)).toBe(false);
  const downAgain = await runFlockCli(dataDir, ["down"]);
  expect([downAgain.code, downAgain.stdout]).toEqual([3, ""]);
  expect((await runFlockCli(dataDir, ["status"])).code).toBe(3);
});

test("a detached start that fails shows the two lines of the process that failed, not those of an earlier one", async () => {
  using busy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("not Flock") });
  mkdirSync(join(dataDir, "logs"), { recursive: true });
  writeFileSync(join(dataDir, "logs/flock.log"), "✗ an old failure\n  → an old command\n");
  const up = await runFlockCli(dataDir, ["up", "--detach"], { FLOCK_LISTEN: `127.0.0.1:${busy.port}` });
  expect(up.code).toBe(1);
  expect(up.stderr.trimEnd().split("\n")).toEqual([
    `✗ 127.0.0.1:${busy.port} is in use by another program`,
    expect.stringMatching(/^ {2}→ FLOCK_LISTEN=\S+ flock up/),
  ]);
});

test("after a kill of the leader the next start takes the same engine over; down ends what a killed leader left", async () => {
  const first = await startFlock({ dataDir });
  const before = processesOf(dataDir);
  await first.kill();
  for (const pid of [before.agent ?? 0, ...before.engines]) expect(isAlive(pid)).toBe(true);

  const second = await startFlock({ dataDir });
  expect(processesOf(dataDir)).toEqual(before);
  expect((await chat(second)).status).toBe(200);
  await second.kill();
  const down = await runFlockCli(dataDir, ["down"]);
  expect([down.code, down.stderr]).toEqual([0, ""]);
  for (const pid of [before.agent ?? 0, ...before.engines]) expect(isAlive(pid)).toBe(false);
});

for (const fate of ["SIGKILL", "SIGSTOP"] as const) {
  test(`down ends the engine of a killed leader when its agent got ${fate} too`, async () => {
    const flock = await startFlock({ dataDir });
    const { agent, engines } = processesOf(dataDir);
    await flock.kill();
    process.kill(agent ?? 0, fate);
    if (fate === "SIGKILL") await poll(5_000, () => !isAlive(agent ?? 0));
    expect((await runFlockCli(dataDir, ["down"])).code).toBe(0);
    for (const pid of [agent ?? 0, ...engines]) expect(isAlive(pid)).toBe(false);
  });
}

test("a leader that does not answer is not taken for a stopped one", async () => {
  const flock = await startFlock({ dataDir, waitFor: "listening" });
  process.kill(flock.pid, "SIGSTOP");
  try {
    for (const command of ["up", "down"]) {
      const run = await runFlockCli(dataDir, [command]);
      expect(run.code).toBe(1);
      expect(run.stderr).toContain("does not answer");
      expect(run.stderr).toContain(`→ kill -9 ${flock.pid}; flock ${command}`);
    }
  } finally {
    process.kill(flock.pid, "SIGCONT");
    await flock.stop();
  }
}, 30_000);

test("a data directory whose path is too long for a socket works", async () => {
  const long = join(base, "l".repeat(60), "m".repeat(60));
  const flock = await startFlock({ dataDir: long });
  try {
    expect((await chat(flock)).status).toBe(200);
    expect((await flock.cli("up")).stdout).toContain("already running");
    expect((await runFlockCli(long, ["up"], { TMPDIR: base })).stdout).toContain("already running");
  } finally {
    await flock.stop();
  }
});

function chat(flock: { fetch(path: string, init: RequestInit): Promise<Response> }): Promise<Response> {
  const body = JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hi" }] });
  return flock.fetch("/v1/chat/completions", { method: "POST", body });
}
