import { expect, test } from "bun:test";
import { err, ok } from "../../core/result.ts";
import { drainNode, onlyThere, takeUpDrain } from "./drain-node.ts";
import { beatOf, recordOf, registryRig, stateOf } from "./test-registry.ts";

const never = new AbortController().signal;

function cluster() {
  const rig = registryRig();
  rig.registry.admit(recordOf("n_1"), "lan");
  rig.registry.admit(recordOf("n_2"), "lan");
  rig.registry.beat("n_1", beatOf(stateOf("n_1", ["shared", "alone", "huge"])));
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
      async move(model, from, _signal, progress) {
        progress("half of it");
        seen.push([model, from, routes.get("n_1")]);
        return model === "alone" ? ok("host-n_2") : err("host-n_2 has 1 GiB free, the model takes 9 GiB");
      },
    },
    "n_1",
    { signal: never, progress: (done, total, message) => steps.push(`${done}/${total} ${message}`) },
  );
  expect(seen).toEqual([
    ["alone", "n_1", ["alone", "huge"]],
    ["huge", "n_1", ["huge"]],
  ]);
  expect(steps).toContain("0/3 moving alone: half of it");
  expect(routes.get("n_1")).toEqual([]);
  expect(registry.get("n_1")?.standing).toBe("drained");
  expect(registry.get("n_1")?.events.map(({ what }) => what)).toContain(
    "huge cannot move: host-n_2 has 1 GiB free, the model takes 9 GiB",
  );
});

test("running answers end before the node counts as drained", async () => {
  const { registry } = cluster();
  registry.startDrain("n_1", new Set(), 5);
  let running = 2;
  const steps: string[] = [];
  const draining = drainNode(
    { registry, busy: (id) => (id === "n_1/embedded/shared" ? running : 0), move: async () => err("no") },
    "n_1",
    {
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
  const draining = drainNode({ registry, busy: () => 1, move: async () => err("no") }, "n_1", {
    signal: over.signal,
    progress: () => over.abort(new Error("undrained")),
  });
  expect(await draining.catch((cause: unknown) => String(cause))).toContain("undrained");
  expect(registry.get("n_1")?.standing).toBe("draining");
});

test("a node that is lost in the middle of its drain has nothing left to wait for", async () => {
  const { registry } = cluster();
  registry.startDrain("n_1", new Set(), 5);
  const draining = drainNode({ registry, busy: () => 1, move: async () => err("no") }, "n_1", {
    signal: never,
    progress: () => registry.lost("n_1", "its machine is gone"),
  });
  await draining;
  expect(registry.get("n_1")?.standing).toBe("lost");
});

test("a drain that a restart of the leader broke off goes on: what had not moved is served until it has", async () => {
  const { registry, routes } = registryRig();
  registry.admit(recordOf("n_1", { drainedAt: 5 }), "lan");
  const taken = takeUpDrain(registry, "n_1", never);
  registry.beat("n_1", beatOf(stateOf("n_1", ["alone"])));
  await taken;
  expect(registry.get("n_1")?.standing).toBe("draining");
  expect(routes.get("n_1")).toEqual(["alone"]);
});
