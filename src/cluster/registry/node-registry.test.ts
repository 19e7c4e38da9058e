import { expect, test } from "bun:test";
import { remembered } from "./node-entry.ts";
import { err } from "../../core/result.ts";
import { beatOf, beatOnce, recordOf, registryRig, replicaOf, stateOf } from "./test-registry.ts";

test("a node is joining until its first beat, then its models are routed to", () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  expect(registry.get("n_1")?.standing).toBe("joining");
  expect(routes.get("n_1")).toBeNull();
  const answer = beatOnce(registry, "n_1", beatOf(stateOf("n_1", ["a"])));
  expect(answer.nextMs).toBeGreaterThanOrEqual(2_500);
  expect(answer.nextMs).toBeLessThanOrEqual(7_500);
  expect(registry.get("n_1")?.standing).toBe("ready");
  expect(routes.get("n_1")).toEqual(["a"]);
});

test("a beat of a node that nobody knows is refused, so that it registers", () => {
  expect(registryRig().registry.beat("n_9", beatOf(stateOf("n_9", [])))).toEqual(err("unknown_node"));
});

test("three missed beats take a node out at once, and its return puts it back with a new epoch", () => {
  const { clock, registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  const first = beatOnce(registry, "n_1", beatOf(stateOf("n_1", ["a"])));
  clock.ms += first.nextMs + 9_000;
  expect(registry.sweep()).toEqual([]);
  clock.ms += 5_000;
  expect(registry.sweep()).toEqual(["n_1"]);
  expect(registry.sweep()).toEqual([]);
  expect(registry.get("n_1")?.standing).toBe("lost");
  expect(routes.get("n_1")).toEqual([]);
  const back = beatOnce(registry, "n_1", beatOf(stateOf("n_1", ["a"])));
  expect(back.epoch).toBeGreaterThan(first.epoch);
  expect(routes.get("n_1")).toEqual(["a"]);
});

test("a node that is heard of but not reached gets no requests, and those for its models wait for the way to it", () => {
  const { registry, routes, told } = registryRig();
  const engine = () => told("n_1")?.engines[0]?.state;
  registry.admit(recordOf("n_1"), null);
  beatOnce(registry, "n_1", beatOf(stateOf("n_1", ["a"])));
  expect(registry.get("n_1")?.standing).toBe("ready");
  expect(routes.get("n_1")).toEqual([]);
  expect(engine()).toBe("starting");
  registry.linked("n_1", "tunnel");
  expect([routes.get("n_1"), engine()]).toEqual([["a"], "ready"]);
  registry.linked("n_1", null);
  expect([routes.get("n_1"), engine()]).toEqual([[], "starting"]);
  registry.lost("n_1", "its connections were closed");
  expect(engine()).toBe("crashloop");
});

test("a model that somebody loads into a node's engine appears with the next beat", () => {
  const { registry, routes, published } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"], 1)));
  const before = published();
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"], 1), { "n_1/embedded/a": 2 }));
  expect(published()).toBe(before);
  expect(registry.get("n_1")?.load.get("n_1/embedded/a")).toBe(2);
  registry.beat("n_1", beatOf(stateOf("n_1", ["a", "pulled-there"], 2)));
  expect(routes.get("n_1")).toEqual(["a", "pulled-there"]);
});

test("a node speaks of itself only, and its secrets are not kept", () => {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  const told = { ...stateOf("n_2", ["a"]), replicas: [replicaOf("n_2", "a")] };
  registry.beat("n_1", beatOf(told));
  const { state } = registry.get("n_1") ?? {};
  expect(state?.node).toBe("n_1");
  expect(state?.replicas[0]).toMatchObject({ id: "n_1/embedded/a", node: "n_1" });
  expect(JSON.stringify(state)).not.toContain("s3cret");
});

test("a draining node serves only what is being moved, a drained one nothing, an undrained one all", () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", beatOf(stateOf("n_1", ["a", "b"])));
  registry.startDrain("n_1", new Set(["a"]), 5);
  expect(routes.get("n_1")).toEqual(["a"]);
  registry.letGo("n_1", "a");
  expect(routes.get("n_1")).toEqual([]);
  registry.finishDrain("n_1");
  expect(registry.get("n_1")?.standing).toBe("drained");
  registry.beat("n_1", beatOf(stateOf("n_1", ["a", "b"], 2)));
  expect(routes.get("n_1")).toEqual([]);
  registry.undrain("n_1");
  expect(routes.get("n_1")).toEqual(["a", "b"]);
});

test("a drained node stays drained over its loss and over a restart of the leader", () => {
  const { clock, registry, routes } = registryRig();
  registry.admit(recordOf("n_1", { drainedAt: 7 }), "lan");
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"])));
  expect(registry.get("n_1")?.standing).toBe("drained");
  clock.ms += 60_000;
  registry.sweep();
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"])));
  expect(registry.get("n_1")?.standing).toBe("drained");
  expect(routes.get("n_1")).toEqual([]);
});

test("a removed node is gone from routing, and its beats find nobody", () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"])));
  expect(registry.remove("n_1")).toBe(true);
  expect(routes.get("n_1")).toBeNull();
  expect(registry.beat("n_1", beatOf(stateOf("n_1", ["a"])))).toEqual(err("unknown_node"));
});

test("the leader's own node is ready by its agent's word and never lost for want of beats", () => {
  const { clock, registry, routes } = registryRig();
  registry.local(recordOf("local"), stateOf("local", ["a"]));
  clock.ms += 3_600_000;
  expect(registry.sweep()).toEqual([]);
  expect(registry.get("local")).toMatchObject({ standing: "ready", link: "local" });
  expect(routes.get("local")).toEqual(["a"]);
});

test("a node that registers again keeps its history and starts a new epoch", () => {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  const before = registry.get("n_1")?.epoch ?? 0;
  registry.admit(recordOf("n_1"), "tunnel");
  expect(registry.get("n_1")).toMatchObject({ link: "tunnel", standing: "joining" });
  expect(registry.get("n_1")?.epoch).toBeGreaterThan(before);
  expect(registry.get("n_1")?.events.map(({ what }) => what)).toEqual(["known to the leader", "registered again"]);
});

test("a model of a node that is away is still known, and its engine says what became of it", () => {
  const { clock, registry, told } = registryRig();
  const { inventory } = stateOf("n_1", []);
  registry.admit(recordOf("n_1"), "lan", remembered(recordOf("n_1"), inventory, [{ model: "a", engine: "ollama" }]));
  expect(told("n_1")?.engines).toMatchObject([{ kind: "ollama", state: "starting", models: ["a"] }]);
  clock.ms += 60_000;
  registry.sweep();
  const problem = "node host-n_1 is lost";
  expect(told("n_1")?.engines).toMatchObject([{ state: "crashloop", problem, start: "flock node show host-n_1" }]);
});

test("a worker that was started again gets a new epoch at once", () => {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  const epochOf = (life: number) => beatOnce(registry, "n_1", beatOf(stateOf("n_1", []), {}, life)).epoch;
  const first = epochOf(1);
  expect(epochOf(1)).toBe(first);
  expect(epochOf(2)).toBeGreaterThan(first);
});

test("a beat may refer to the state that an earlier one told, and moves free memory and load alone", () => {
  const { registry, published } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"]), {}, 1, 3));
  const before = published();
  beatOnce(registry, "n_1", beatOf({ since: 3, freeMemoryBytes: 77 }, { "n_1/embedded/a": 2 }, 1, 4));
  beatOnce(registry, "n_1", beatOf({ since: 3, freeMemoryBytes: 78 }, { "n_1/embedded/a": 1 }, 1, 5));
  const { state, load } = registry.get("n_1") ?? {};
  expect(state).toMatchObject({ inventory: { freeMemoryBytes: 78, hostname: "host-n_1" }, replicas: [{ model: "a" }] });
  expect(load?.get("n_1/embedded/a")).toBe(1);
  expect(published()).toBe(before);
});

test("a beat that refers to what this leader was not told is refused, and changes nothing", () => {
  const { clock, registry, routes } = registryRig();
  const same = { since: 3, freeMemoryBytes: 77 };
  const refer = (life: number) => registry.beat("n_1", beatOf(same, {}, life, 4));
  const { inventory } = stateOf("n_1", []);
  // What was kept of an earlier life of the leader was told by no beat.
  registry.admit(recordOf("n_1"), "lan", remembered(recordOf("n_1"), inventory, [{ model: "a", engine: "ollama" }]));
  expect(refer(0)).toEqual(err("unknown_state"));
  expect(registry.get("n_1")?.standing).toBe("joining");
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"]), {}, 1, 2));
  expect([refer(1), refer(2)]).toEqual([err("unknown_state"), err("unknown_state")]);
  // Handed over by the leader before.
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"]), {}, 1, 0));
  expect(refer(1)).toEqual(err("unknown_state"));
  registry.beat("n_1", beatOf(stateOf("n_1", ["a"]), {}, 1, 3));
  clock.ms += 60_000;
  registry.sweep();
  expect(routes.get("n_1")).toEqual([]);
  expect(refer(1).ok).toBe(true);
  expect(routes.get("n_1")).toEqual(["a"]);
  registry.admit(recordOf("n_1"), "lan");
  expect(refer(1)).toEqual(err("unknown_state"));
});

test("a node whose drain has not ended goes on serving what only it has, after a start of the leader and after it was lost", () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1", { drainedAt: 5 }), "lan", null, new Set(["alone"]));
  registry.beat("n_1", beatOf(stateOf("n_1", ["alone", "shared"])));
  const now = () => [registry.get("n_1")?.standing, routes.get("n_1")];
  expect(now()).toEqual(["draining", ["alone"]]);
  registry.lost("n_1", "its connections were closed");
  registry.beat("n_1", beatOf(stateOf("n_1", ["alone", "shared"])));
  expect(now()).toEqual(["draining", ["alone"]]);
  registry.finishDrain("n_1");
  registry.lost("n_1", "its connections were closed");
  registry.beat("n_1", beatOf(stateOf("n_1", ["alone", "shared"])));
  expect(now()).toEqual(["drained", []]);
});
