import { expect, test } from "bun:test";
import { beatOf, recordOf, registryRig, replicaOf, stateOf } from "../../cluster/registry/test-registry.ts";
import { findMove } from "./move-model.ts";
import { toAdminError } from "../../http/admin/admin-error.ts";
import type { ModelMove } from "../../http/admin/node-view.ts";

function cluster() {
  const { registry } = registryRig();
  for (const [id, name, models] of [
    ["n_1", "lab-mac", ["team", "both"]],
    ["n_2", "gpu-tower", ["both"]],
    ["n_3", "closet", []],
  ] as const) {
    registry.admit(recordOf(id, { name }), "lan");
    const state = stateOf(id, models);
    // Each in an engine of its own.
    const replicas = models.map((model) => ({ ...replicaOf(id, model), engineId: `embedded-${model}` }));
    registry.beat(id, beatOf({ ...state, replicas }));
  }
  const ask = (wish: ModelMove): string => {
    const found = findMove(registry.list(), wish);
    if (found.ok) return `${found.value.model} ${found.value.from.name} ${found.value.to.name}`;
    const { message, mend = "" } = toAdminError(found.error).body.error;
    return `${message} -> ${mend}`;
  };
  return { registry, ask };
}

test("a model is found by its id, nodes by name or id; the one that it leaves need not be said where there is one", () => {
  const { ask } = cluster();
  expect(ask({ model: "TEAM", to: "gpu-tower" })).toBe("team lab-mac gpu-tower");
  expect(ask({ model: "team", to: "n_3", from: "n_1" })).toBe("team lab-mac closet");
  expect(ask({ model: "both", to: "closet", from: "gpu-tower" })).toBe("both gpu-tower closet");
  // It is there already: then the other copy goes.
  expect(ask({ model: "both", to: "gpu-tower", from: "lab-mac" })).toBe("both lab-mac gpu-tower");
});

test("what cannot be is refused with what was probably meant, or what there is", () => {
  const { registry, ask } = cluster();
  expect(ask({ model: "taem", to: "gpu-tower" })).toBe("There is no model taem. Nearest: team. -> flock model ls");
  expect(ask({ model: "team", to: "gpu-twoer" })).toBe(
    "There is no node gpu-twoer (nearest: gpu-tower). -> flock node ls",
  );
  expect(ask({ model: "team", to: "closet", from: "x" })).toBe("There is no node x. -> flock node ls");
  expect(ask({ model: "team", to: "lab-mac" })).toBe("lab-mac serves team already -> flock node ls");
  expect(ask({ model: "team", to: "lab-mac", from: "lab-mac" })).toBe("lab-mac serves team already -> flock node ls");
  expect(ask({ model: "both", to: "gpu-tower" })).toBe(
    "gpu-tower serves both already -> flock model move both --to gpu-tower --from lab-mac",
  );
  expect(ask({ model: "team", to: "closet", from: "gpu-tower" })).toBe(
    "gpu-tower does not serve team; lab-mac does -> flock model ls",
  );
  expect(ask({ model: "both", to: "closet" })).toBe(
    "several nodes serve both (lab-mac, gpu-tower); say which one it leaves -> flock model move both --to closet --from lab-mac",
  );
  registry.lost("n_3", "gone");
  expect(ask({ model: "team", to: "closet" })).toBe("closet is lost -> flock node show closet");
});

test("a model whose engine serves another one too does not move: that would go with it", () => {
  const { registry, ask } = cluster();
  const state = stateOf("n_1", ["team", "team-lora"], 2);
  registry.beat("n_1", beatOf(state));
  expect(ask({ model: "team", to: "closet" })).toBe(
    "the engine that serves team on lab-mac serves team-lora too, and that would go with it -> flock model ls",
  );
});
