import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, startToken } from "../cluster/process-identity.ts";
import { systemClock } from "../core/clock.ts";
import type { LaunchSpec } from "../engine/driver.ts";
import { EngineRecords } from "./engine-record.ts";
import { SHORT_TIMES } from "./fixtures/short-times.ts";
import { until } from "./fixtures/until.ts";
import { engineLogPath, tailLog } from "./log-file.ts";
import { Supervisor } from "./supervisor.ts";
import type { SupervisorTimes } from "./supervisor-times.ts";

let dataDir: string;
let supervisors: Supervisor[];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "flock-supervisor-"));
  supervisors = [];
});

afterEach(async () => {
  for (const supervisor of supervisors) await supervisor.stop();
  rmSync(dataDir, { recursive: true });
});

function spec(...script: string[]): LaunchSpec {
  return {
    id: "scripted",
    kind: "embedded",
    command: process.execPath,
    args: [join(import.meta.dir, "fixtures/scripted-engine.ts"), ...script],
    env: { PATH: "/usr/bin:/bin" },
    cwd: dataDir,
    readyTimeoutMs: 10_000,
  };
}

function supervise(launch: LaunchSpec, times: Partial<SupervisorTimes> = {}): Supervisor & { seen: string[] } {
  const seen: string[] = [];
  const records = new EngineRecords(dataDir);
  const supervisor = new Supervisor(launch, {
    records,
    logPath: engineLogPath(dataDir, launch.id),
    clock: systemClock,
    log: () => {},
    times: { ...SHORT_TIMES, ...times },
    onChange: () => seen.push(supervisor.state),
  });
  supervisors.push(supervisor);
  supervisor.start();
  return Object.assign(supervisor, { seen });
}

test("a child is ready when it answers, with a secret of its own and a private state file", async () => {
  const supervisor = supervise(spec("ready"));
  await until("ready", () => supervisor.state === "ready");
  expect(supervisor.problem).toBeNull();
  expect(supervisor.secret).toMatch(/^[\w-]{43}$/);
  const answer = await fetch(`${supervisor.endpoint}/props`, {
    headers: { authorization: `Bearer ${supervisor.secret}` },
  });
  expect(await answer.json()).toEqual({ pid: supervisor.pid });
  const path = join(dataDir, "engines/scripted.json");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: supervisor.pid, secret: supervisor.secret });
});

test("a child killed by force is back with a new process, epoch and secret", async () => {
  const supervisor = supervise(spec("ready"));
  await until("ready", () => supervisor.state === "ready");
  const { pid, epoch, secret } = supervisor;
  process.kill(pid ?? 0, "SIGKILL");
  await until("ready again", () => supervisor.state === "ready" && supervisor.epoch !== epoch);
  expect(supervisor.epoch).toBeGreaterThan(epoch);
  expect(supervisor.pid).not.toBe(pid);
  expect(supervisor.secret).not.toBe(secret);
  expect(supervisor.restarts).toBe(1);
  expect(supervisor.seen).toContain("backoff");
});

test("a child that always ends is restarted five times, then is a crashloop until it is restarted", async () => {
  const supervisor = supervise(spec("exit", "3", "the model file is damaged: bad magic"));
  await until("crashloop", () => supervisor.state === "crashloop");
  expect(supervisor.restarts).toBe(5);
  expect(supervisor.seen.filter((state) => state === "backoff")).toHaveLength(5);
  // Exit code 3: the last line of its log is why.
  expect(supervisor.problem).toStartWith("the model file is damaged: bad magic; given up after 5 restarts");
  expect(tailLog(engineLogPath(dataDir, "scripted"), 1)).toEqual(["the model file is damaged: bad magic"]);
  supervisor.restart();
  await until("crashloop again", () => supervisor.restarts === 11 && supervisor.state === "crashloop");
});

test("a command that does not exist is a crashloop that says so, not a thrown error", async () => {
  const supervisor = supervise({ ...spec("ready"), command: "/nowhere/engine" });
  await until("crashloop", () => supervisor.state === "crashloop");
  expect(supervisor.problem).toContain("cannot be started");
  expect(supervisor.problem).toContain("/nowhere/engine");
});

test("a restart out of a crashloop brings an engine back whose cause is mended", async () => {
  const flag = join(dataDir, "tried");
  const supervisor = supervise(spec("once", flag, "exit", "1", "no"), { backoffMs: [] });
  await until("crashloop", () => supervisor.state === "crashloop");
  expect(supervisor.problem).toContain("exit code 1");
  supervisor.restart();
  await until("ready", () => supervisor.state === "ready");
  expect(supervisor.problem).toBeNull();
});

test("a child that never listens is ended when its time is up", async () => {
  const supervisor = supervise({ ...spec("silent"), readyTimeoutMs: 300 }, { backoffMs: [] });
  await until("started", () => supervisor.pid !== null);
  const { pid } = supervisor;
  await until("crashloop", () => supervisor.state === "crashloop");
  expect(supervisor.problem).toContain("was not ready within");
  expect(isAlive(pid ?? 0)).toBe(false);
});

test("a ready child that stops answering is ended and started again", async () => {
  const flag = join(dataDir, "deaf-now");
  const supervisor = supervise(spec("deaf", flag), { healthTimeoutMs: 100 });
  await until("ready", () => supervisor.state === "ready");
  const { pid, epoch } = supervisor;
  writeFileSync(flag, "");
  await until("ended", () => !isAlive(pid ?? 0));
  rmSync(flag);
  await until("ready again", () => supervisor.state === "ready" && supervisor.epoch !== epoch);
  expect(supervisor.seen).toContain("backoff");
});

test("stopping asks first, and ends a child that does not listen by force", async () => {
  const supervisor = supervise(spec("stubborn"));
  await until("ready", () => supervisor.state === "ready");
  const pid = supervisor.pid ?? 0;
  await supervisor.stop();
  expect(isAlive(pid)).toBe(false);
  expect(supervisor.state).toBe("stopped");
  expect(supervisor.seen).toContain("stopping");
  expect(tailLog(engineLogPath(dataDir, "scripted"), 1)).toEqual(["SIGTERM ignored"]);
  expect(new EngineRecords(dataDir).ids()).toEqual([]);
});

test("stopping while it waits to restart does not wait", async () => {
  const supervisor = supervise(spec("exit", "1", "no"), { backoffMs: [60_000] });
  await until("backoff", () => supervisor.state === "backoff");
  await supervisor.stop();
  expect(supervisor.state).toBe("stopped");
});

test("what a child started ends with it", async () => {
  const supervisor = supervise({
    ...spec(),
    command: "/bin/sh",
    args: ["-c", `sleep 600 & echo $! > child.pid; exec ${process.execPath} ${spec("ready").args.join(" ")}`],
  });
  await until("ready", () => supervisor.state === "ready");
  const grandchild = Number(readFileSync(join(dataDir, "child.pid"), "utf8"));
  expect(isAlive(grandchild)).toBe(true);
  await supervisor.stop();
  await until("the grandchild ended", () => !isAlive(grandchild));
});

test("a released child is taken over with its pid, secret and epoch, and its death is noticed", async () => {
  const first = supervise(spec("ready"));
  await until("ready", () => first.state === "ready");
  const { pid, secret, epoch } = first;
  await first.release();
  const second = supervise(spec("ready"));
  await until("ready", () => second.state === "ready");
  expect([second.pid, second.secret, second.epoch]).toEqual([pid, secret, epoch]);
  process.kill(pid ?? 0, "SIGKILL");
  await until("back", () => second.state === "ready" && second.pid !== pid);
  expect(second.epoch).toBeGreaterThan(epoch);
});

test("a child that was released before it was ready is still waited for", async () => {
  const first = supervise(spec("ready"));
  await until("spawned", () => first.pid !== null);
  const { pid } = first;
  await first.release();
  const second = supervise(spec("ready"));
  await until("ready", () => second.state === "ready");
  expect(second.pid).toBe(pid);
});

test("a child that was started another way is ended, not taken over", async () => {
  const first = supervise(spec("ready"));
  await until("ready", () => first.state === "ready");
  const pid = first.pid ?? 0;
  await first.release();
  const second = supervise({ ...spec("ready"), env: { PATH: "/usr/bin:/bin", OTHER: "1" } });
  await until("ready", () => second.state === "ready");
  expect(second.pid).not.toBe(pid);
  expect(isAlive(pid)).toBe(false);
});

/** The kernel's clock has steps of 10 ms: two processes may have started in the same one. */
async function startedLaterThan(token: string | null): Promise<Bun.Subprocess> {
  for (;;) {
    const child = Bun.spawn(["sleep", "600"]);
    if (startToken(child.pid) !== token) return child;
    child.kill("SIGKILL");
    await child.exited;
  }
}

test("a state file whose pid now belongs to another process harms nobody", async () => {
  const first = supervise(spec("ready"));
  await until("ready", () => first.state === "ready");
  const record = new EngineRecords(dataDir).read("scripted");
  if (record === null) throw new Error("no record");
  await first.stop();
  const bystander = await startedLaterThan(record.processStart);
  try {
    expect(startToken(bystander.pid)).not.toBe(record.processStart);
    new EngineRecords(dataDir).write("scripted", { ...record, pid: bystander.pid });
    const second = supervise(spec("ready"));
    await until("ready", () => second.state === "ready");
    expect(second.pid).not.toBe(bystander.pid);
    await second.stop();
    expect(isAlive(bystander.pid)).toBe(true);
  } finally {
    bystander.kill("SIGKILL");
    await bystander.exited;
  }
});

test("an engine that was ready for long enough has its failures forgiven", async () => {
  const supervisor = supervise(spec("ready"), { backoffMs: [5], stableMs: 0 });
  for (let life = 0; life < 3; life++) {
    await until("ready", () => supervisor.state === "ready" && supervisor.restarts === life);
    process.kill(supervisor.pid ?? 0, "SIGKILL");
    await until("noticed", () => supervisor.state !== "ready");
  }
  await until("ready", () => supervisor.state === "ready");
  expect(supervisor.seen).not.toContain("crashloop");
});
