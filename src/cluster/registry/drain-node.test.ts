import { expect, test } from "bun:test";
import type { NodeState } from "../../core/node.ts";
import { err, ok } from "../../core/result.ts";
import { drainNode, onlyThere } from "./drain-node.ts";
import { beatOf, recordOf, registryRig, replicaOf, stateOf } from "./test-registry.ts";

const never = new AbortController().signal;

/** What none of these tests looks at. */
const nothing = { moved: {}, lookAnew: false, keep: async () => undefined };
const alone = () => true;
const unload = async () => ok(undefined);
const none = async () => err("no");

/** Each model in an engine of its own. */
function apart(state: NodeState): NodeState {
  const replicas = state.replicas.map((one) => ({ ...one, engineId: one.model, id: `${one.node}/${one.model}` }));
  return { ...state, replicas };
}

function cluster() {
  const rig = registryRig();
  rig.registry.admit(recordOf("n_1"), "lan");
  rig.registry.admit(recordOf("n_2"), "lan");
  rig.registry.beat("n_1", beatOf(apart(stateOf("n_1", ["shared", "alone", "huge"]))));
  rig.registry.beat("n_2", beatOf(stateOf("n_2", ["shared"])));
  return rig;
}

test("a model that another node serves leaves at once, one that can move is served until it has, the rest is let go", async () => {
  const { registry, routes } = cluster();
  const held = onlyThere(registry, "n_1");
  expect(held).toEqual(["alone", "huge"]);
  registry.startDrain("n_1", new Set(held), 5);
  expect(routes.get("n_1")).toEqual(["alone", "huge"]);
  const seen: unknown[] = [];
  const steps: string[] = [];
  await drainNode(
    {
      registry,
      busy: () => 0,
      alone,
      async move(model, from, _signal, progress) {
        progress("half of it");
        seen.push([model, from, routes.get("n_1")]);
        if (model !== "alone") return err("host-n_2 has 1 GiB free, the model takes 9 GiB");
        registry.beat("n_2", beatOf(stateOf("n_2", ["shared", "alone"], 2)));
        return ok({ node: "n_2", name: "host-n_2", brought: null });
      },
      async unload(node, model) {
        seen.push(`unload ${model} on ${node}`);
        return ok(undefined);
      },
    },
    "n_1",
    {
      signal: never,
      progress: (done, total, message) => steps.push(`${done}/${total} ${message}`),
      moved: {},
      lookAnew: false,
      keep: async (moved) => void seen.push(moved),
    },
  );
  expect(seen).toEqual([
    ["alone", "n_1", ["alone", "huge"]],
    { alone: "n_2" },
    ["huge", "n_1", ["huge"]],
    // What cannot move stays loaded, and so does what others serve too.
    "unload alone on n_1",
  ]);
  expect(steps).toContain("0/3 moving alone: half of it");
  expect(routes.get("n_1")).toEqual([]);
  expect(registry.get("n_1")?.standing).toBe("drained");
  expect(registry.get("n_1")?.events.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      "alone moved to host-n_2",
      "alone was unloaded once its answers had ended; its memory is free",
      "huge cannot move: host-n_2 has 1 GiB free, the model takes 9 GiB",
    ]),
  );
});

test("running answers end before the node counts as drained", async () => {
  const { registry } = cluster();
  registry.startDrain("n_1", new Set(), 5);
  let running = 2;
  const steps: string[] = [];
  const draining = drainNode(
    { registry, busy: (id) => (id === "n_1/shared/shared" ? running : 0), alone, move: none, unload },
    "n_1",
    {
      ...nothing,
      signal: never,
      progress(_done, _total, message) {
        steps.push(message);
        expect(registry.get("n_1")?.standing).toBe(message.includes("any more") ? "drained" : "draining");
        if (running > 0) running -= 1;
      },
    },
  );
  await draining;
  expect(steps).toEqual(["2 running answers to end", "1 running answer to end", "no request runs there any more"]);
});

test("a drain that is broken off stops", async () => {
  const { registry } = cluster();
  registry.startDrain("n_1", new Set(), 5);
  const over = new AbortController();
  const draining = drainNode({ registry, busy: () => 1, alone, move: none, unload }, "n_1", {
    ...nothing,
    signal: over.signal,
    progress: () => over.abort(new Error("undrained")),
  });
  expect(await draining.catch((cause: unknown) => String(cause))).toContain("undrained");
  expect(registry.get("n_1")?.standing).toBe("draining");
});

test("a node that is lost in the middle of its drain has nothing left to wait for", async () => {
  const { registry } = cluster();
  registry.startDrain("n_1", new Set(), 5);
  const draining = drainNode({ registry, busy: () => 1, alone, move: none, unload }, "n_1", {
    ...nothing,
    signal: never,
    progress: () => registry.lost("n_1", "its machine is gone"),
  });
  await draining;
  expect(registry.get("n_1")?.standing).toBe("lost");
});

test("a drain that a leader began which is gone, whether it kept anything of it or not, moves what is only there", async () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1", { drainedAt: 5 }), "lan");
  registry.admit(recordOf("n_2"), "lan");
  const moves: unknown[] = [];
  const draining = drainNode(
    {
      registry,
      busy: () => 0,
      alone,
      async move(model) {
        moves.push([model, routes.get("n_1")]);
        registry.beat("n_2", beatOf(stateOf("n_2", ["shared", model], 2)));
        return ok({ node: "n_2", name: "host-n_2", brought: null });
      },
      unload,
    },
    "n_1",
    { ...nothing, signal: never, progress: () => undefined },
  );
  registry.beat("n_1", beatOf(apart(stateOf("n_1", ["alone", "shared"]))));
  // The other one has not told yet what it serves.
  while (registry.get("n_1")?.standing !== "draining") await Bun.sleep(1);
  expect(routes.get("n_1")).toEqual(["alone", "shared"]);
  registry.beat("n_2", beatOf(stateOf("n_2", ["shared"])));
  await draining;
  expect(moves).toEqual([["alone", ["alone"]]]);
  expect([registry.get("n_1")?.standing, routes.get("n_1")]).toEqual(["drained", []]);
});

test("what could not move is tried again when the node is drained again", async () => {
  const { registry, routes } = cluster();
  registry.startDrain("n_1", new Set(["alone", "huge"]), 5);
  const moves: string[] = [];
  const parts = {
    registry,
    busy: () => 0,
    alone,
    async move(model: string) {
      moves.push(model);
      return err("there is no other node");
    },
    unload,
  };
  const context = { ...nothing, signal: never, progress: () => undefined };
  await drainNode(parts, "n_1", context);
  expect([moves, routes.get("n_1")]).toEqual([["alone", "huge"], []]);
  await drainNode(parts, "n_1", context);
  expect([moves.slice(2), routes.get("n_1")]).toEqual([["alone", "huge"], []]);
});

test("a moved model is unloaded when its own answers have ended, others may still run; what was moved before a restart too", async () => {
  const { registry } = cluster();
  registry.beat("n_2", beatOf(stateOf("n_2", ["shared", "alone"], 2)));
  registry.startDrain("n_1", new Set(), 5);
  const running = { alone: 1, shared: 3 };
  const steps: string[] = [];
  await drainNode(
    {
      registry,
      busy: (id) => (id.endsWith("/alone") ? running.alone : id.endsWith("/shared") ? running.shared : 0),
      alone,
      move: none,
      async unload(_node, model) {
        steps.push(`unload ${model} beside ${running.shared} of others`);
        return ok(undefined);
      },
    },
    "n_1",
    {
      ...nothing,
      signal: never,
      moved: { alone: "n_2" },
      progress(_done, _total, message) {
        steps.push(message);
        if (running.alone > 0) running.alone -= 1;
        else if (running.shared > 0) running.shared -= 1;
      },
    },
  );
  expect(steps).toEqual([
    "4 running answers to end",
    "unload alone beside 3 of others",
    "3 running answers to end",
    "2 running answers to end",
    "1 running answer to end",
    "no request runs there any more",
  ]);
});

test("a moved model stays loaded where its new node is gone, its engine serves another, or the node refuses; the log says so", async () => {
  const { registry } = cluster();
  registry.beat("n_2", beatOf(stateOf("n_2", ["shared", "alone", "huge"], 2)));
  const lora = apart(stateOf("n_1", ["alone", "huge", "big"], 3));
  const replicas = [...lora.replicas, { ...replicaOf("n_1", "big-lora"), engineId: "big" }];
  registry.beat("n_1", beatOf({ ...lora, replicas }));
  registry.startDrain("n_1", new Set(), 5);
  const refuse = async () => err("not now");
  await drainNode({ registry, busy: () => 0, alone, move: none, unload: refuse }, "n_1", {
    ...nothing,
    signal: never,
    progress: () => undefined,
    moved: { alone: "n_2", huge: "n_9", big: "n_2" },
  });
  expect(registry.get("n_1")?.events.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      "alone stays loaded: not now",
      "huge stays loaded: n_9 serves it no more",
      "big stays loaded: its engine serves big-lora too",
    ]),
  );
  expect(registry.get("n_1")?.standing).toBe("drained");
});

test("while the leader before still gives answers nothing is unloaded, and the node does not count as drained", async () => {
  const { registry } = cluster();
  registry.beat("n_2", beatOf(stateOf("n_2", ["shared", "alone"], 2)));
  registry.startDrain("n_1", new Set(), 5);
  let before = true;
  const steps: string[] = [];
  const parts = {
    registry,
    busy: () => 0,
    alone: () => !before,
    move: none,
    unload: async () => (steps.push("unload"), ok(undefined)),
  };
  await drainNode(parts, "n_1", {
    ...nothing,
    signal: never,
    moved: { alone: "n_2" },
    progress(_done, _total, message) {
      steps.push(message);
      before = false;
    },
  });
  expect(steps).toEqual(["answers of the leader before to end", "unload", "no request runs there any more"]);
});

test("a model whose engine is just starting, or is ended to be started anew, moves like one that is served", () => {
  for (const [at, coming] of (["starting", "stopping", "backoff"] as const).entries()) {
    const { registry } = cluster();
    const state = apart(stateOf("n_1", ["shared"], 2 + at));
    const [engine] = state.engines;
    if (engine === undefined) throw new Error("no engine");
    const more = { ...engine, id: "more", state: coming, models: ["alone"] };
    registry.beat("n_1", beatOf({ ...state, engines: [...state.engines, more] }));
    expect(onlyThere(registry, "n_1")).toEqual(["alone"]);
  }
});

test("a drain that is taken back moves nothing more", async () => {
  const { registry, routes } = cluster();
  registry.startDrain("n_1", new Set(["alone", "huge"]), 5);
  const moves: string[] = [];
  const draining = drainNode(
    {
      registry,
      busy: () => 0,
      alone,
      async move(model) {
        moves.push(model);
        registry.undrain("n_1");
        return ok({ node: "n_2", name: "host-n_2", brought: null });
      },
      unload,
    },
    "n_1",
    { ...nothing, signal: never, progress: () => undefined },
  );
  expect(await draining.catch((cause: unknown) => String(cause))).toContain("the drain was taken back");
  expect([moves, routes.get("n_1")]).toEqual([["alone"], ["shared", "alone", "huge"]]);
});

test("a moved model that is unloaded by now is not asked for once more", async () => {
  const { registry } = cluster();
  registry.beat("n_1", beatOf(apart(stateOf("n_1", ["shared"], 2))));
  registry.beat("n_2", beatOf(stateOf("n_2", ["shared", "alone"], 2)));
  registry.startDrain("n_1", new Set(), 5);
  const refuse = async () => err("no model alone was loaded on this node");
  await drainNode({ registry, busy: () => 0, alone, move: none, unload: refuse }, "n_1", {
    ...nothing,
    signal: never,
    progress: () => undefined,
    moved: { alone: "n_2" },
  });
  expect(registry.get("n_1")?.events.at(-2)?.what).toBe(
    "alone was unloaded once its answers had ended; its memory is free",
  );
});

test("a node that is lost before all has moved serves the rest once it is back, and the job does not say that it is done", async () => {
  const { registry, routes } = cluster();
  registry.startDrain("n_1", new Set(["alone", "huge"]), 5);
  const draining = drainNode(
    {
      registry,
      busy: () => 0,
      alone,
      async move(model) {
        if (model === "alone") return ok({ node: "n_2", name: "host-n_2", brought: null });
        registry.lost("n_1", "its machine is gone");
        return err("no node that can be reached has its file");
      },
      unload,
    },
    "n_1",
    { ...nothing, signal: never, progress: () => undefined },
  );
  expect(await draining.catch((cause: unknown) => String(cause))).toContain(
    "host-n_1 was lost before huge could move, and serves that once it is back; then: flock node drain host-n_1",
  );
  registry.beat("n_1", beatOf(apart(stateOf("n_1", ["shared", "alone", "huge"]))));
  expect(routes.get("n_1")).toEqual(["huge"]);
});

test("what a node serves that was not known to be held is moved too", async () => {
  const { registry } = cluster();
  registry.startDrain("n_1", new Set(["huge"]), 5);
  const moves: string[] = [];
  const move = async (model: string) => (moves.push(model), err("there is no other node"));
  const context = { ...nothing, lookAnew: true, signal: never, progress: () => undefined };
  await drainNode({ registry, busy: () => 0, alone, move, unload }, "n_1", context);
  expect(moves).toEqual(["huge", "alone"]);
});
