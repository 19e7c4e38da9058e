import { expect, test } from "bun:test";
import { err, ok } from "../../core/result.ts";
import { assignModel, type AssignParts } from "./assign-model.ts";
import { beatOf, recordOf, registryRig, stateOf } from "./test-registry.ts";

const never = new AbortController().signal;
const away = err({ kind: "node_unreachable", message: "the node did not answer in time", mend: "" });

function rig() {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), "lan");
  registry.beat("n_1", beatOf(stateOf("n_1", ["alone"])));
  registry.startDrain("n_1", new Set(["alone"]), 5);
  let asked = 0;
  const assign = (answer: (asked: number) => unknown) => {
    const call = async () => answer((asked += 1));
    const parts = { registry, link: { call }, book: { list: () => [] }, floors: async () => null };
    const wish = { model: "alone", without: "n_1", unasked: true, reason: "moved" };
    return assignModel(parts as unknown as AssignParts, wish, never, () => undefined);
  };
  return { registry, assign, asked: () => asked };
}

test("a drained node that lives and does not answer is asked again, before its model counts as one that nobody has", async () => {
  const { assign, asked } = rig();
  const file = { id: "alone", path: "/m/alone.gguf", bytes: 1, engine: "embedded", default: false };
  expect(await assign((times) => (times < 3 ? away : ok([file])))).toEqual(err("there is no other node"));
  expect(asked()).toBe(3);
});

test("one that is lost, or says that it has no file, is not waited for", async () => {
  const nothing = err("no node that can be reached has its file");
  const silent = rig();
  silent.registry.lost("n_1", "its machine is gone");
  expect([await silent.assign(() => away), silent.asked()]).toEqual([nothing, 0]);
  const without = rig();
  expect([await without.assign(() => ok([])), without.asked()]).toEqual([nothing, 1]);
});
