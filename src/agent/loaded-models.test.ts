import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { availableModels, loadModel, unloadModel } from "../cluster/node-operations.ts";
import type { LocalLink } from "../cluster/local-link.ts";
import { isAlive } from "../cluster/process-identity.ts";
import type { EngineStatus, NodeState } from "../core/node.ts";
import { type AgentRig, agentRig, enginePids } from "./fixtures/agent-rig.ts";
import { until } from "./fixtures/until.ts";

let rig: AgentRig;
let link: LocalLink;
beforeEach(async () => {
  rig = agentRig();
  mkdirSync(join(rig.dataDir, "models"));
  for (const name of ["Small.gguf", "big model.gguf", "mmproj-x.gguf", "notes.txt"]) {
    writeFileSync(join(rig.dataDir, "models", name), name);
  }
  link = rig.link();
  const attached = await link.ensureAgent(soon());
  if (!attached.ok) throw new Error(attached.error.message);
});
afterEach(() => rig.end());

function soon(): AbortSignal {
  return AbortSignal.timeout(15_000);
}

async function load(wish: { id: string } | { path: string }) {
  return await link.call("local", loadModel(wish), soon());
}

async function engine(id: string, state: EngineStatus["state"] | null): Promise<EngineStatus | undefined> {
  const find = (node: NodeState | null) => node?.engines.find((one) => one.id === id);
  await until(`${id} is ${state}`, () => (find(link.state())?.state ?? null) === state);
  return find(link.state());
}

/** Of the newest file: the default model. */
async function defaultId(): Promise<string> {
  const models = await link.call("local", availableModels(), soon());
  return models.ok ? (models.value.find((model) => model.default)?.id ?? "") : "";
}

async function otherId(): Promise<string> {
  return (await defaultId()) === "small" ? "big model" : "small";
}

test("a model is loaded beside the default one, and unloaded again", async () => {
  await engine("embedded", "ready");
  const id = await otherId();
  const answer = await load({ id: id.toUpperCase() });
  if (!answer.ok) throw new Error(answer.error.message);
  expect(answer.value.model).toBe(id);
  const loaded = await engine(answer.value.engine, "ready");
  expect(loaded?.models).toEqual([id]);
  expect(loaded?.pid).not.toBe(link.state()?.engines[0]?.pid ?? null);
  expect(link.state()?.replicas.map((replica) => replica.engineId)).toEqual(["embedded", answer.value.engine]);
  expect(await load({ id })).toEqual(answer);
  const gone = await link.call("local", unloadModel(id), soon());
  expect(gone.ok).toBe(true);
  expect(isAlive(loaded?.pid ?? 0)).toBe(false);
  await engine(answer.value.engine, null);
  expect((await engine("embedded", "ready"))?.restarts).toBe(0);
});

test("what could be loaded is listed, with what is", async () => {
  const listed = async () => {
    const models = await link.call("local", availableModels(), soon());
    return models.ok ? models.value.map((model) => `${model.id} ${model.engine} ${model.default}`).toSorted() : [];
  };
  const [main, other] = [await defaultId(), await otherId()];
  expect(await listed()).toEqual([`${main} embedded true`, `${other} null false`].toSorted());
  const answer = await load({ id: other });
  expect(await listed()).toContain(`${other} ${answer.ok ? answer.value.engine : ""} false`);
});

test("the default model is unloaded like any other, and comes back when it is loaded", async () => {
  await engine("embedded", "ready");
  const id = await defaultId();
  const gone = await link.call("local", unloadModel(id), soon());
  expect(gone.ok).toBe(true);
  expect(enginePids(rig.dataDir)).toEqual([]);
  const status = await engine("embedded", "stopped");
  expect(status?.start).toStartWith("flock engine start ");
  const listed = await link.call("local", availableModels(), soon());
  expect(listed.ok ? listed.value.find((model) => model.id === id) : null).toMatchObject({
    engine: null,
    default: true,
  });
  expect(await load({ id })).toEqual({ ok: true, value: { engine: "embedded", model: id } });
  await engine("embedded", "ready");
});

test("any file is loaded by its path", async () => {
  const path = join(rig.dataDir, "elsewhere.gguf");
  writeFileSync(path, "x");
  expect(await load({ path })).toEqual({ ok: true, value: { engine: "embedded-elsewhere", model: "elsewhere" } });
  await engine("embedded-elsewhere", "ready");
  const twin = join(rig.dataDir, "models", "Elsewhere.gguf");
  writeFileSync(twin, "y");
  expect(await load({ path: twin })).toMatchObject({ ok: false, error: { kind: "refused" } });
});

test("what cannot be is refused by name, with what helps", async () => {
  const refusal = async (wish: { id: string } | { path: string }) => {
    const answer = await load(wish);
    return answer.ok ? null : answer.error;
  };
  expect(await refusal({ id: "none" })).toMatchObject({ mend: "flock model add none" });
  expect(await refusal({ path: "models/small.gguf" })).toMatchObject({ kind: "refused" });
  expect(await refusal({ path: "/nowhere.gguf" })).toMatchObject({ message: "/nowhere.gguf is not a file" });
  const none = await link.call("local", unloadModel("none"), soon());
  expect(none.ok ? null : none.error.message).toContain("there is: none");
});

test("after the agent was killed by force, the next one takes loaded models over", async () => {
  await engine("embedded", "ready");
  const answer = await load({ id: await otherId() });
  const id = answer.ok ? answer.value.engine : "";
  const before = await engine(id, "ready");
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGKILL");
  await until("another agent was started", () => rig.spawned.length === 2);
  await until("it has told its state", () => link.problem() === null && link.state()?.engines.length === 2);
  const after = await engine(id, "ready");
  expect({ pid: after?.pid, secret: after?.secret }).toEqual({ pid: before?.pid ?? null, secret: before?.secret });
});

test("a loaded model whose file is gone is forgotten with the agent, and its engine is ended", async () => {
  const path = join(rig.dataDir, "passing.gguf");
  writeFileSync(path, "x");
  await load({ path });
  const pid = (await engine("embedded-passing", "ready"))?.pid ?? 0;
  rmSync(path);
  process.kill(rig.spawned[0]?.pid ?? 0, "SIGKILL");
  await until("its engine is gone", () => !isAlive(pid));
  await until("it is forgotten", () => !existsSync(join(rig.dataDir, "loaded-models.json")));
});

test("a shutdown with engines ends loaded ones too", async () => {
  const answer = await load({ id: await otherId() });
  await engine(answer.ok ? answer.value.engine : "", "ready");
  const pids = enginePids(rig.dataDir);
  expect(pids).toHaveLength(2);
  expect((await link.shutdown({ engines: true }, soon())).ok).toBe(true);
  expect(pids.filter(isAlive)).toEqual([]);
});

test("where it cannot be remembered nothing is loaded or unloaded, and both work once it can", async () => {
  await engine("embedded", "ready");
  const [main, other] = [await defaultId(), await otherId()];
  // Nothing can be written over a directory: what a full disk does.
  const file = join(rig.dataDir, "loaded-models.json");
  const inTheWay = join(file, "full");
  mkdirSync(inTheWay, { recursive: true });
  expect(await load({ id: other })).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("what is loaded cannot be remembered") },
  });
  expect(link.state()?.engines.map(({ id }) => id)).toEqual(["embedded"]);
  rmSync(file, { recursive: true });
  const loaded = await load({ id: other });
  if (!loaded.ok) throw new Error(loaded.error.message);
  await engine(loaded.value.engine, "ready");
  rmSync(file);
  mkdirSync(inTheWay, { recursive: true });
  expect((await link.call("local", unloadModel(other), soon())).ok).toBe(false);
  expect((await engine(loaded.value.engine, "ready"))?.models).toEqual([other]);
  rmSync(file, { recursive: true });
  expect((await link.call("local", unloadModel(other), soon())).ok).toBe(true);
  await engine(loaded.value.engine, null);
  expect(await defaultId()).toBe(main);
});
