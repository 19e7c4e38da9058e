import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentRig, agentRig, enginePids } from "../agent/fixtures/agent-rig.ts";
import { until } from "../agent/fixtures/until.ts";
import type { EngineStatus, NodeState } from "../core/node.ts";
import { agentLogPath } from "./agent-record.ts";
import { actOnEngine, engineLogs } from "./node-operations.ts";
import { LocalLink, LOCAL_LINK_TIMES } from "./local-link.ts";
import { isAlive } from "./process-identity.ts";
import { spawnAgent } from "./spawn-agent.ts";

let rig: AgentRig;
beforeEach(() => {
  rig = agentRig();
});
afterEach(() => rig.end());

function soon(): AbortSignal {
  return AbortSignal.timeout(15_000);
}

async function ready(link: LocalLink): Promise<EngineStatus> {
  const first = await link.ensureAgent(soon());
  if (!first.ok) throw new Error(first.error.message);
  return await untilReady(link);
}

async function untilReady(link: LocalLink, not?: number | null): Promise<EngineStatus> {
  const engine = () => link.state()?.engines[0];
  await until("the engine is ready", () => engine()?.state === "ready" && engine()?.pid !== not);
  const found = engine();
  if (found === undefined) throw new Error("no engine");
  return found;
}

test("without an agent one is started, and its changes arrive", async () => {
  const link = rig.link();
  const states: NodeState[] = [];
  link.onChange((state) => states.push(state));
  await ready(link);
  expect(rig.spawned).toHaveLength(1);
  expect(link.problem()).toBeNull();
  const versions = states.map((state) => state.version);
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  expect(link.state()?.replicas[0]?.model).toBe("tiny");
});

test("a leader that comes back finds its agent and engine as they were", async () => {
  const first = rig.link();
  const { pid } = await ready(first);
  await first.close();
  expect((await ready(rig.link())).pid).toBe(pid);
  expect(rig.spawned).toHaveLength(1);
});

test("an agent with other options is replaced; the engine that no longer fits is too", async () => {
  const first = rig.link();
  const { pid } = await ready(first);
  await first.close();
  const engine = await ready(rig.link(["stubborn"]));
  expect(engine.pid).not.toBe(pid);
  expect(await rig.spawned[0]?.exited).toBe(0);
  expect(isAlive(pid ?? 0)).toBe(false);
});

test("an agent that was killed is started again by itself and the engine is kept", async () => {
  const link = rig.link();
  const { pid } = await ready(link);
  const version = link.state()?.version ?? 0;
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGKILL");
  // In between the engine is still reached: it does not need the agent.
  const answer = await link.fetchEngine("embedded", { method: "GET", path: "/x" }, soon());
  expect(answer.ok).toBe(true);
  await until("a second agent", () => rig.spawned.length === 2 && (link.state()?.version ?? 0) > version);
  expect((await untilReady(link)).pid).toBe(pid);
  expect(rig.log.join()).toContain("the agent is gone");
});

test("an agent that hangs is ended by force and replaced", async () => {
  const link = rig.link(["ready"], { quietMs: 300, askTimeoutMs: 100, silentMs: 300 });
  const { pid } = await ready(link);
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGSTOP");
  await until("a second agent", () => rig.spawned.length === 2);
  await rig.spawned[0]?.exited;
  await until("its state", () => link.problem() === null && isAlive(rig.spawned[1]?.pid ?? 0));
  expect((await untilReady(link)).pid).toBe(pid);
});

test("an agent that cannot start is an error that names its log", async () => {
  const link = new LocalLink({
    dataDir: rig.dataDir,
    node: "local",
    optionsHash: "x",
    spawnAgent: () =>
      spawnAgent({
        command: ["/bin/sh", "-c", "echo no such luck >&2; exit 7"],
        env: {},
        dataDir: rig.dataDir,
        options: {},
      }),
    log: () => {},
  });
  const failed = await link.ensureAgent(soon());
  expect(failed.ok ? "" : failed.error.message).toBe(
    `the agent ended with exit code 7 (no such luck); its log: ${agentLogPath(rig.dataDir)}`,
  );
});

test("an agent that never answers is an error after the deadline, and does not stay", async () => {
  const children: { pid: number; exited: Promise<number> }[] = [];
  const link = new LocalLink({
    dataDir: rig.dataDir,
    node: "local",
    optionsHash: "x",
    spawnAgent: () => {
      const child = spawnAgent({ command: ["/bin/sleep", "600"], env: {}, dataDir: rig.dataDir, options: {} });
      children.push(child);
      return child;
    },
    log: () => {},
    times: { ...LOCAL_LINK_TIMES, startDeadlineMs: 200 },
  });
  const failed = await link.ensureAgent(soon());
  expect(failed.ok ? "" : failed.error.message).toContain("did not answer within");
  expect(failed.ok ? "" : failed.error.message).toContain(agentLogPath(rig.dataDir));
  await children[0]?.exited;
  expect(isAlive(children[0]?.pid ?? 0)).toBe(false);
});

test("a request reaches the engine with its secret and comes back as it was sent", async () => {
  const link = rig.link();
  await ready(link);
  const answer = await link.fetch("local", "embedded", { method: "POST", path: "/echo", body: '{"a":1}' }, soon());
  expect(answer.ok ? await answer.value.json() : answer.error).toEqual({ method: "POST", body: '{"a":1}' });
});

test("an engine that dies over a request is a failure, one that is away is unreachable, an abort is neither", async () => {
  const flag = join(rig.dataDir, "started-once");
  const link = rig.link(["once", flag, "ready"]);
  const engine = await ready(link);
  const died = await link.fetchEngine("embedded", { method: "POST", path: "/die", body: "" }, soon());
  expect(died.ok ? null : died.error).toMatchObject({ kind: "engine_failed", engine: "embedded" });
  const back = await untilReady(link, engine.pid);
  const aborted = new AbortController();
  aborted.abort();
  const cancelled = await link.fetchEngine("embedded", { method: "GET", path: "/x" }, aborted.signal);
  expect(cancelled.ok ? null : cancelled.error).toEqual({ kind: "cancelled" });
  // Nobody is there to start it again.
  await link.close();
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGKILL");
  await rig.spawned[0]?.exited;
  process.kill(back.pid ?? 0, "SIGKILL");
  await until("dead", () => !isAlive(back.pid ?? 0));
  const ask = async () => await link.fetchEngine("embedded", { method: "GET", path: "/x" }, soon());
  // The kernel closes a dead process's port a moment after the process; a connection in that moment is reset.
  let away = await ask();
  await until("refused", async () => {
    away = await ask();
    return !away.ok && away.error.kind !== "engine_failed";
  });
  expect(away.ok ? null : away.error).toEqual({
    kind: "engine_unreachable",
    engine: "embedded",
    endpoint: back.endpoint,
    start: "flock up",
  });
  const unknown = await link.fetchEngine("vllm", { method: "GET", path: "/x" }, soon());
  expect(unknown.ok ? null : unknown.error).toMatchObject({ kind: "engine_unreachable", engine: "vllm" });
});

test("logs and restarts go through the agent; an unknown engine is told by name", async () => {
  const link = rig.link();
  const { pid } = await ready(link);
  expect(await link.call("local", engineLogs("embedded", 1), soon())).toMatchObject({
    ok: true,
    value: { lines: ["scripted engine: ready"] },
  });
  expect(await link.call("local", actOnEngine("embedded", "restart"), soon())).toEqual({ ok: true, value: undefined });
  await untilReady(link, pid);
  const unknown = await link.call("local", engineLogs("mlx", 1), soon());
  expect(unknown.ok ? null : unknown.error).toMatchObject({ kind: "unknown_engine", mend: "flock status" });
});

test("a shutdown without engines leaves them, with engines ends them; the agent does not come back", async () => {
  const first = rig.link();
  const { pid } = await ready(first);
  expect(await first.shutdown({ engines: false }, soon())).toEqual({ ok: true, value: undefined });
  expect(await rig.spawned[0]?.exited).toBe(0);
  expect(isAlive(pid ?? 0)).toBe(true);
  const second = rig.link();
  expect((await ready(second)).pid).toBe(pid);
  expect(await second.shutdown({ engines: true }, soon())).toEqual({ ok: true, value: undefined });
  expect(isAlive(pid ?? 0)).toBe(false);
  expect(enginePids(rig.dataDir)).toEqual([]);
  expect(rig.spawned).toHaveLength(2);
});

test("a record of a dead agent whose pid is a stranger's now does not harm the stranger", async () => {
  const stranger = Bun.spawn(["sleep", "600"]);
  try {
    const record = {
      pid: stranger.pid,
      processStart: "1",
      socket: "/nowhere.sock",
      instance: "x",
      protocol: 1,
      startedAt: 0,
    };
    writeFileSync(join(rig.dataDir, "agent.json"), JSON.stringify(record));
    await ready(rig.link());
    expect(isAlive(stranger.pid)).toBe(true);
  } finally {
    stranger.kill("SIGKILL");
    await stranger.exited;
  }
});
