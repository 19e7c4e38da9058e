import { expect, test } from "bun:test";
import { err, ok } from "../../core/result.ts";
import { onlyThere } from "./drain-node.ts";
import { type MoveParts, moveModel } from "./move-model.ts";
import { beatOf, recordOf, registryRig, stateOf } from "./test-registry.ts";

const never = new AbortController().signal;
const MOVE = { model: "team", from: "n_1", to: "n_2" };

function cluster() {
  const rig = registryRig();
  rig.registry.admit(recordOf("n_1"), "lan");
  rig.registry.admit(recordOf("n_2"), "lan");
  rig.registry.beat("n_1", beatOf(stateOf("n_1", ["team", "other"])));
  rig.registry.beat("n_2", beatOf(stateOf("n_2", [])));
  const steps: string[] = [];
  const serve = (node: string, models: readonly string[], version: number) =>
    rig.registry.beat(node, beatOf(stateOf(node, models, version)));
  const parts = (over: Partial<MoveParts> = {}): MoveParts => ({
    registry: rig.registry,
    busy: () => 0,
    alone: () => true,
    async put() {
      steps.push("put");
      serve("n_2", ["team"], 2);
      return ok({ node: "n_2", name: "host-n_2", brought: "directly from host-n_1" });
    },
    async unload(node, model) {
      steps.push(`unload ${model} on ${node}, routed ${rig.routes.get(node)?.join()}`);
      serve("n_1", ["other"], 2);
      return ok(undefined);
    },
    ...over,
  });
  const context = {
    signal: never,
    progress: (done: number, total: number | null, message: string) => void steps.push(`${done}/${total} ${message}`),
  };
  const move = (over: Partial<MoveParts> = {}) =>
    moveModel(parts(over), MOVE, context).catch((cause: unknown) => (cause instanceof Error ? cause.message : cause));
  return { ...rig, steps, serve, move };
}

test("it is loaded there, requests switch, running answers end, and only then it is unloaded here", async () => {
  const { registry, routes, steps, move } = cluster();
  let running = 2;
  const seen: (string | undefined)[] = [];
  await move({
    busy: (id) => {
      if (id !== "n_1/embedded/team" || running === 0) return 0;
      seen.push(routes.get("n_1")?.join());
      return running--;
    },
  });
  expect(steps).toEqual([
    "0/3 bringing it to host-n_2",
    "put",
    "1/3 2 running answers on host-n_1 to end",
    "1/3 1 running answer on host-n_1 to end",
    "2/3 unloading it on host-n_1",
    "unload team on n_1, routed other",
    "3/3 host-n_2 serves team; its file came directly from host-n_1",
  ]);
  expect(seen).toEqual(["other", "other"]);
  expect([routes.get("n_1"), routes.get("n_2")]).toEqual([["other"], ["team"]]);
  expect(registry.get("n_1")?.leaving.size).toBe(0);
  expect(registry.get("n_1")?.events.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      "new requests for team go to host-n_2",
      "team was unloaded once its answers had ended; its memory is free",
    ]),
  );
});

test("a node that cannot hold it leaves all as it was, with the reason", async () => {
  const { routes, move } = cluster();
  const failed = await move({ put: async () => err("host-n_2 has 1 GiB free, the model takes 9 GiB") });
  expect(failed).toBe("host-n_2 has 1 GiB free, the model takes 9 GiB; host-n_1 serves team as before");
  expect(routes.get("n_1")).toEqual(["team", "other"]);
});

test("a move that is broken off leaves both serving", async () => {
  const { registry, routes, steps, serve } = cluster();
  serve("n_2", ["team"], 2);
  const over = new AbortController();
  const moving = moveModel(
    {
      registry,
      busy: () => 1,
      alone: () => true,
      put: async () => err("it is there"),
      unload: async (node) => (steps.push(`unload on ${node}`), ok(undefined)),
    },
    MOVE,
    { signal: over.signal, progress: () => over.abort(new Error("cancelled")) },
  );
  expect(await moving.catch((cause: unknown) => String(cause))).toContain("cancelled");
  expect([routes.get("n_1"), routes.get("n_2"), steps]).toEqual([["team", "other"], ["team"], []]);
});

test("when the old node was lost while the new one could not have it, the job says both", async () => {
  const { registry, move } = cluster();
  const failed = await move({
    async put() {
      registry.lost("n_1", "its machine is gone");
      return err("host-n_2: the leader answered 404");
    },
  });
  expect(failed).toBe("host-n_2: the leader answered 404; host-n_1 is lost");
});

test("when the new node is lost before the old one let go, the old one takes requests again", async () => {
  const { registry, routes, move } = cluster();
  const failed = await move({
    busy: () => {
      registry.lost("n_2", "its machine is gone");
      return 1;
    },
  });
  expect(failed).toBe("host-n_2 serves team no more; host-n_1 does again");
  expect(routes.get("n_1")).toEqual(["team", "other"]);
});

test("when the old node is lost the job says who serves it; the same move later only lets it go there", async () => {
  const { registry, routes, steps, serve, move } = cluster();
  const failed = await move({
    busy: () => {
      registry.lost("n_1", "its machine is gone");
      return 1;
    },
  });
  expect(failed).toBe("host-n_1 was lost before it let go of team; host-n_2 serves it");
  serve("n_1", ["team", "other"], 3);
  expect(routes.get("n_1")).toEqual(["team", "other"]);
  steps.length = 0;
  expect(await move()).toBeUndefined();
  expect(steps).not.toContain("put");
  expect([routes.get("n_1"), routes.get("n_2")]).toEqual([["other"], ["team"]]);
});

test("a node that does not let go of it serves it beside the new one, and the job fails with its words", async () => {
  const { routes, move } = cluster();
  expect(await move({ unload: async () => err("its disk is on fire") })).toBe(
    "host-n_2 serves team, and host-n_1 still does: its disk is on fire",
  );
  expect([routes.get("n_1"), routes.get("n_2")]).toEqual([["team", "other"], ["team"]]);
});

test("after a start of the leader it waits until the nodes have been heard, and goes on where it was", async () => {
  const { registry, routes, steps, serve, move } = cluster();
  registry.admit(recordOf("n_1"), "lan");
  registry.admit(recordOf("n_2"), "lan");
  const moving = move();
  serve("n_1", ["team", "other"], 1);
  serve("n_2", ["team"], 1);
  expect(await moving).toBeUndefined();
  expect(steps).toEqual([
    "2/3 unloading it on host-n_1",
    "unload team on n_1, routed other",
    "3/3 host-n_2 serves team",
  ]);
  expect(routes.get("n_1")).toEqual(["other"]);
});

test("after a restart it is not unloaded before the leader before has ended its answers", async () => {
  const { steps, move } = cluster();
  let looks = 0;
  expect(await move({ alone: () => (looks += 1) > 2 })).toBeUndefined();
  expect(steps.slice(2, 4)).toEqual([
    "1/3 answers of the leader before on host-n_1 to end",
    "2/3 unloading it on host-n_1",
  ]);
});

test("when the leader was killed after the old node had let go, nothing is asked of it once more", async () => {
  const { steps, serve, move } = cluster();
  serve("n_1", ["other"], 2);
  serve("n_2", ["team"], 2);
  expect(await move({ unload: async () => err("no model team was loaded on this node") })).toBeUndefined();
  expect(steps.at(-1)).toBe("3/3 host-n_2 serves team");
});

test("when the new node is drained before the old one let go, the old one goes on serving", async () => {
  const { registry, routes, steps, move } = cluster();
  const failed = await move({
    busy: () => {
      // Only the new one serves it now: it must not count as served elsewhere.
      registry.startDrain("n_2", new Set(onlyThere(registry, "n_2")), 5);
      expect([routes.get("n_1"), routes.get("n_2")]).toEqual([["other"], ["team"]]);
      return 1;
    },
  });
  expect(failed).toBe("host-n_2 is draining; host-n_1 serves team again");
  expect(routes.get("n_1")).toEqual(["team", "other"]);
  expect(steps.join()).not.toContain("unload");
});

test("what another move has taken away meanwhile is not brought once more", async () => {
  const { steps, serve, move } = cluster();
  serve("n_1", ["other"], 2);
  expect(await move()).toBe("host-n_1 has team no more, so there is nothing to move");
  expect(steps).toEqual([]);
});
