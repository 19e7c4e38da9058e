import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentLines, callAgent } from "../cluster/agent-client.ts";
import { agentLogPath, readAgentRecord } from "../cluster/agent-record.ts";
import { parseNodeState } from "../cluster/node-state-line.ts";
import { isAlive } from "../cluster/process-identity.ts";
import type { NodeState } from "../core/node.ts";
import { type AgentRig, agentRig, enginePids, untilListening } from "./fixtures/agent-rig.ts";
import { until } from "./fixtures/until.ts";

let rig: AgentRig;
beforeEach(() => {
  rig = agentRig();
});
afterEach(() => rig.end());

function soon(): AbortSignal {
  return AbortSignal.timeout(15_000);
}

async function started(script?: readonly string[]): Promise<string> {
  rig.spawn(script);
  await untilListening(rig.dataDir);
  return readAgentRecord(rig.dataDir)?.socket ?? "";
}

async function get(socket: string, path: string): Promise<unknown> {
  const answer = await callAgent(socket, { method: "GET", path }, soon());
  if (!answer.ok) throw new Error(answer.error.message);
  return answer.value;
}

async function stateOf(socket: string): Promise<NodeState> {
  const state = parseNodeState(JSON.stringify(await get(socket, "/v1/state")));
  if (state === null) throw new Error("not a state");
  return state;
}

async function untilReady(socket: string): Promise<NodeState> {
  await until("the engine is ready", async () => (await stateOf(socket)).engines[0]?.state === "ready");
  return await stateOf(socket);
}

test("the state tells the machine, the engine and what it serves", async () => {
  const socket = await started();
  const state = await untilReady(socket);
  expect(state.node).toBe("local");
  expect(state.inventory.physicalCores).toBeGreaterThan(0);
  expect(state.engines).toHaveLength(1);
  expect(state.engines[0]).toMatchObject({
    id: "embedded",
    managed: true,
    problem: null,
    restarts: 0,
    models: ["tiny"],
  });
  expect(state.replicas).toHaveLength(1);
  expect(state.replicas[0]).toMatchObject({ id: "local/embedded/tiny", engineId: "embedded", model: "tiny", slots: 2 });
});

test("its files are for this user only", async () => {
  const socket = await started();
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(join(rig.dataDir, "agent.json")).mode & 0o777).toBe(0o600);
  await untilReady(socket);
  expect(statSync(join(rig.dataDir, "engines")).mode & 0o777).toBe(0o700);
});

test("the watch stream gives the state at once, each change, and a heartbeat in between", async () => {
  const socket = await started();
  await untilReady(socket);
  const gone = new AbortController();
  const versions: number[] = [];
  const states: string[] = [];
  let killed = false;
  for await (const line of agentLines(socket, "/v1/state/watch", gone.signal)) {
    const state = parseNodeState(line);
    const engine = state?.engines[0];
    if (state === null || engine === undefined) throw new Error(`not a state: ${line}`);
    versions.push(state.version);
    states.push(engine.state);
    const beats = versions.filter((version) => version === versions[0]).length;
    if (beats >= 3 && !killed) {
      killed = true;
      process.kill(engine.pid ?? 0, "SIGKILL");
    }
    // A replica of an engine that is not ready would be sent requests.
    expect(state.replicas.length).toBe(engine.state === "ready" ? 1 : 0);
    if (killed && engine.state === "ready" && engine.restarts === 1) gone.abort();
  }
  expect(versions).toEqual([...versions].sort((a, b) => a - b));
  expect(new Set(versions).size).toBeGreaterThan(1);
  expect(states.filter((state) => state !== "ready").length).toBeGreaterThan(0);
});

test("an engine that is asked to restart comes back as another process", async () => {
  const socket = await started();
  const before = (await untilReady(socket)).engines[0];
  const answer = await callAgent(socket, { method: "POST", path: "/v1/engines/embedded/restart" }, soon());
  expect(answer.ok).toBe(true);
  await until("restarted", async () => {
    const engine = (await stateOf(socket)).engines[0];
    return engine?.state === "ready" && engine.pid !== before?.pid;
  });
});

test("logs give the newest lines of an engine, then those that came since", async () => {
  const socket = await started();
  await untilReady(socket);
  const first = (await get(socket, "/v1/engines/embedded/logs?lines=1")) as { lines: string[]; next: string };
  expect(first.lines).toEqual(["scripted engine: ready"]);
  const since = `/v1/engines/embedded/logs?lines=1&after=${first.next}`;
  expect(await get(socket, since)).toEqual({ lines: [], next: first.next });
});

test("what the agent does not know is refused by name", async () => {
  const socket = await started();
  const post = async (path: string, body: unknown) => {
    const answer = await callAgent(socket, { method: "POST", path, body }, soon());
    return answer.ok ? null : answer.error;
  };
  expect(await post("/v1/engines/vllm/restart", {})).toMatchObject({
    status: 404,
    message: "there is no engine vllm on this node (there is: embedded)",
  });
  expect(await post("/v1/engines/embedded/logs", {})).toMatchObject({ status: 405 });
  expect(await post("/v1/else", {})).toMatchObject({ status: 404 });
  expect(await post("/v1/shutdown", { engines: "yes" })).toMatchObject({ status: 400 });
  expect(await post("/v1/shutdown", { engines: true, more: 1 })).toMatchObject({ status: 400 });
  expect(await post("/v1/shutdown", undefined)).toMatchObject({ status: 400 });
  const lines = await callAgent(socket, { method: "GET", path: "/v1/engines/embedded/logs?lines=-1" }, soon());
  expect(lines.ok ? null : lines.error).toMatchObject({ status: 400, message: "lines: lines must be a whole number" });
});

test("a shutdown with engines answers when they are gone, and leaves nothing behind", async () => {
  const socket = await started(["stubborn"]);
  const pid = (await untilReady(socket)).engines[0]?.pid ?? 0;
  const answer = await callAgent(socket, { method: "POST", path: "/v1/shutdown", body: { engines: true } }, soon());
  expect(answer.ok).toBe(true);
  expect(isAlive(pid)).toBe(false);
  expect(await rig.spawned[0]?.exited).toBe(0);
  expect(readAgentRecord(rig.dataDir)).toBeNull();
  expect(existsSync(socket)).toBe(false);
  expect(enginePids(rig.dataDir)).toEqual([]);
});

test("SIGTERM ends the agent and leaves its engines running", async () => {
  const socket = await started();
  const pid = (await untilReady(socket)).engines[0]?.pid ?? 0;
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGTERM");
  expect(await rig.spawned[0]?.exited).toBe(0);
  expect(isAlive(pid)).toBe(true);
});

test("after the agent was killed by force, the next one takes the same engine over", async () => {
  const socket = await started();
  const before = (await untilReady(socket)).engines[0];
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGKILL");
  await rig.spawned[0]?.exited;
  expect(isAlive(before?.pid ?? 0)).toBe(true);
  const stale = readAgentRecord(rig.dataDir);
  rig.spawn();
  await until("the next agent listens", () => readAgentRecord(rig.dataDir)?.instance !== stale?.instance);
  const after = (await untilReady(socket)).engines[0];
  expect(after).toMatchObject({ pid: before?.pid, secret: before?.secret, epoch: before?.epoch, restarts: 0 });
});

test("a second agent on one directory is refused and says which one is there", async () => {
  await started();
  const second = rig.spawn();
  expect(await second.exited).toBe(1);
  const log = readFileSync(agentLogPath(rig.dataDir), "utf8");
  expect(log).toContain(`an agent (pid ${rig.spawned[0]?.pid}) already serves ${rig.dataDir}`);
  expect(log).toContain("flock down");
});

test("of two agents started at once exactly one serves", async () => {
  const both = [rig.spawn(), rig.spawn()];
  expect(await Promise.race(both.map((agent) => agent.exited))).toBe(1);
  await untilListening(rig.dataDir);
  const record = readAgentRecord(rig.dataDir);
  expect(both.map((agent) => agent.pid)).toContain(record?.pid ?? 0);
  expect(isAlive(record?.pid ?? 0)).toBe(true);
});

test("a stale record whose pid belongs to a living stranger does not keep an agent from starting", async () => {
  const stale = {
    pid: process.pid,
    processStart: "1",
    socket: join(rig.dataDir, "agent.sock"),
    instance: "x",
    protocol: 1,
    startedAt: 0,
  };
  writeFileSync(join(rig.dataDir, "agent.json"), JSON.stringify(stale));
  writeFileSync(stale.socket, "");
  rig.spawn();
  await until("replaced", () => readAgentRecord(rig.dataDir)?.pid === rig.spawned[0]?.pid);
  expect((await stateOf(stale.socket)).node).toBe("local");
});

test("a data directory too deep for a socket works through a short path", async () => {
  const deep = agentRig(join(rig.dataDir, "d".repeat(60), "e".repeat(60)));
  try {
    deep.spawn();
    await untilListening(deep.dataDir);
    const socket = readAgentRecord(deep.dataDir)?.socket ?? "";
    expect(socket).toStartWith(join(tmpdir(), "flock-"));
    expect((await stateOf(socket)).node).toBe("local");
    await callAgent(socket, { method: "POST", path: "/v1/shutdown", body: { engines: true } }, soon());
    expect(await deep.spawned[0]?.exited).toBe(0);
  } finally {
    await deep.end();
  }
});

test("an engine that an earlier agent left and that has no use now is ended", async () => {
  const socket = await started();
  const pid = (await untilReady(socket)).engines[0]?.pid ?? 0;
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGKILL");
  await rig.spawned[0]?.exited;
  const record = readFileSync(join(rig.dataDir, "engines/embedded.json"), "utf8");
  mkdirSync(join(rig.dataDir, "engines"), { recursive: true });
  writeFileSync(join(rig.dataDir, "engines/other.json"), record);
  writeFileSync(join(rig.dataDir, "engines/embedded.json"), "{");
  rig.spawn();
  await until("ended", () => !isAlive(pid));
  await until("forgotten", () => !existsSync(join(rig.dataDir, "engines/other.json")));
});
