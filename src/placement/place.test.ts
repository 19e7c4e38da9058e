import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { wantedModels } from "./choose-model.ts";
import { modelNeed } from "./model-need.ts";
import { place, type PlacementNode, sayRefused } from "./place.ts";

const GIB = 1024 ** 3;
const node = (id: string, over: Partial<PlacementNode> = {}): PlacementNode => ({
  id,
  name: `host-${id}`,
  standing: "ready",
  loadsModels: true,
  assignable: true,
  memoryBytes: 64 * GIB,
  freeMemoryBytes: 32 * GIB,
  gpus: [],
  models: [],
  smokeTests: 0,
  files: new Set(),
  load: 0,
  ...over,
});
const need = modelNeed("m", 8 * GIB, null, true);

test("every node that is refused is said why", () => {
  const placed = place(need, [
    node("a", { standing: "draining" }),
    node("b", { models: ["m"] }),
    node("c", { assignable: false }),
    node("d", { loadsModels: false }),
    node("e", { freeMemoryBytes: 2 * GIB }),
  ]);
  expect(placed.node).toBeNull();
  expect(sayRefused(placed.refused)).toBe(
    "host-a is draining; host-b has m already; host-c joined with --no-assign; " +
      "host-d runs an engine that Flock did not start, and that loads its own models; host-e has 2.0 GiB free, the model takes 9.5 GiB",
  );
  expect(sayRefused([])).toBe("there is no other node");
});

test("floors of the catalogue are kept, of GPU memory where a card has a size", () => {
  const floors = { minMemoryBytes: 96 * GIB, minVramBytes: 24 * GIB };
  const big = modelNeed("m", GIB, floors, true);
  const card = (memoryBytes: number | null) => [{ vendor: "nvidia" as const, name: "g", memoryBytes, driver: null }];
  const placed = place(big, [
    node("a", { memoryBytes: 64 * GIB }),
    node("b", { memoryBytes: 128 * GIB, gpus: card(16 * GIB) }),
    node("c", { memoryBytes: 128 * GIB, gpus: card(null) }),
  ]);
  expect(placed.node?.id).toBe("c");
  expect(placed.refused.map(({ why }) => why)).toEqual([
    "has 64 GiB of memory, the model wants 96 GiB",
    "has 16 GiB of GPU memory, the model wants 24 GiB",
  ]);
});

test("where the file lies already comes first, then who is idle, then who has a GPU", () => {
  const gpus = [{ vendor: "nvidia" as const, name: "g", memoryBytes: 24 * GIB, driver: null }];
  const busy = { models: ["x"], smokeTests: 0 };
  expect(place(need, [node("a"), node("b", { files: new Set(["m"]), ...busy })]).node?.id).toBe("b");
  expect(place(need, [node("a", { gpus, ...busy }), node("b")]).node?.id).toBe("b");
  expect(place(need, [node("a", { models: ["flock-tiny"], smokeTests: 1 }), node("b", busy)]).node?.id).toBe("a");
  expect(place(need, [node("a"), node("b", { gpus })]).node?.id).toBe("b");
  expect(place(need, [node("a", { load: 1 }), node("b")]).node?.id).toBe("b");
});

test("who is asked for by name is taken though it wants no assignments", () => {
  expect(place({ ...need, unasked: false }, [node("a", { assignable: false })]).node?.id).toBe("a");
});

test("each node is either the chosen one, refused with a reason, or could have been chosen", () => {
  const anyNode = fc.record({
    standing: fc.constantFrom("ready" as const, "lost" as const, "draining" as const),
    loadsModels: fc.boolean(),
    freeMemoryBytes: fc.integer({ min: 0, max: 64 }).map((n) => n * GIB),
    load: fc.double({ min: 0, max: 3, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(anyNode, { maxLength: 8 }), (some) => {
      const nodes = some.map((over, at) => node(String(at), over));
      const placed = place(need, nodes);
      const fit = nodes.length - placed.refused.length;
      expect(placed.node === null).toBe(fit === 0);
      if (placed.node !== null) expect(placed.refused.map((one) => one.node)).not.toContain(placed.node.id);
    }),
  );
});

test("an empty node gets what most requests wait for, else the default model, never the smoke test again", () => {
  const model = (id: string, queued: number, isDefault = false, smokeTest = false) => ({
    model: id,
    queued,
    isDefault,
    smokeTest,
  });
  expect(wantedModels([model("a", 0, true), model("b", 3), model("c", 0), model("d", 9)])).toEqual(["d", "b", "a"]);
  expect(wantedModels([model("flock-tiny", 4, true, true)])).toEqual([]);
});
