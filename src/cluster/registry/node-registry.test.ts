import { expect, test } from "bun:test";
import { recordOf, registryRig, replicaOf, stateOf } from "./test-registry.ts";

test("a node is joining until its first beat, then its models are routed to", () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  expect(registry.get("n_1")?.standing).toBe("joining");
  expect(routes.get("n_1")).toBeNull();
  const answer = registry.beat("n_1", { state: stateOf("n_1", ["a"]), load: {} });
  expect(answer?.nextMs).toBeGreaterThanOrEqual(2_500);
  expect(answer?.nextMs).toBeLessThanOrEqual(7_500);
  expect(registry.get("n_1")?.standing).toBe("ready");
  expect(routes.get("n_1")).toEqual(["a"]);
});

test("a beat of a node that nobody knows is answered with nothing, so that it registers", () => {
  expect(registryRig().registry.beat("n_9", { state: stateOf("n_9", []), load: {} })).toBeNull();
});

test("three missed beats take a node out at once, and its return puts it back with a new epoch", () => {
  const { clock, registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  const first = registry.beat("n_1", { state: stateOf("n_1", ["a"]), load: {} });
  clock.ms += (first?.nextMs ?? 0) + 9_000;
  expect(registry.sweep()).toEqual([]);
  clock.ms += 5_000;
  expect(registry.sweep()).toEqual(["n_1"]);
  expect(registry.sweep()).toEqual([]);
  expect(registry.get("n_1")?.standing).toBe("lost");
  expect(routes.get("n_1")).toBeNull();
  const back = registry.beat("n_1", { state: stateOf("n_1", ["a"]), load: {} });
  expect(back?.epoch).toBeGreaterThan(first?.epoch ?? Number.NaN);
  expect(routes.get("n_1")).toEqual(["a"]);
});

test("a model that somebody loads into a node's engine appears with the next beat", () => {
  const { registry, routes, published } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", { state: stateOf("n_1", ["a"], 1), load: {} });
  const before = published();
  registry.beat("n_1", { state: stateOf("n_1", ["a"], 1), load: { "n_1/embedded/a": 2 } });
  expect(published()).toBe(before);
  expect(registry.get("n_1")?.load.get("n_1/embedded/a")).toBe(2);
  registry.beat("n_1", { state: stateOf("n_1", ["a", "pulled-there"], 2), load: {} });
  expect(routes.get("n_1")).toEqual(["a", "pulled-there"]);
});

test("a node speaks of itself only, and its secrets are not kept", () => {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  const told = { ...stateOf("n_2", ["a"]), replicas: [replicaOf("n_2", "a")] };
  registry.beat("n_1", { state: told, load: {} });
  const { state } = registry.get("n_1") ?? {};
  expect(state?.node).toBe("n_1");
  expect(state?.replicas[0]).toMatchObject({ id: "n_1/embedded/a", node: "n_1" });
  expect(JSON.stringify(state)).not.toContain("s3cret");
});

test("a draining node serves only what is being moved, a drained one nothing, an undrained one all", () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", { state: stateOf("n_1", ["a", "b"]), load: {} });
  registry.startDrain("n_1", new Set(["a"]), 5);
  expect(routes.get("n_1")).toEqual(["a"]);
  registry.letGo("n_1", "a");
  expect(routes.get("n_1")).toEqual([]);
  registry.finishDrain("n_1");
  expect(registry.get("n_1")?.standing).toBe("drained");
  registry.beat("n_1", { state: stateOf("n_1", ["a", "b"], 2), load: {} });
  expect(routes.get("n_1")).toEqual([]);
  registry.undrain("n_1");
  expect(routes.get("n_1")).toEqual(["a", "b"]);
});

test("a drained node stays drained over its loss and over a restart of the leader", () => {
  const { clock, registry, routes } = registryRig();
  registry.admit(recordOf("n_1", { drainedAt: 7 }), "lan");
  registry.beat("n_1", { state: stateOf("n_1", ["a"]), load: {} });
  expect(registry.get("n_1")?.standing).toBe("drained");
  clock.ms += 60_000;
  registry.sweep();
  registry.beat("n_1", { state: stateOf("n_1", ["a"]), load: {} });
  expect(registry.get("n_1")?.standing).toBe("drained");
  expect(routes.get("n_1")).toEqual([]);
});

test("a removed node is gone from routing, and its beats find nobody", () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", { state: stateOf("n_1", ["a"]), load: {} });
  expect(registry.remove("n_1")).toBe(true);
  expect(routes.get("n_1")).toBeNull();
  expect(registry.beat("n_1", { state: stateOf("n_1", ["a"]), load: {} })).toBeNull();
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
