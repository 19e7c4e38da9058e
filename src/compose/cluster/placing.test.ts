import { expect, test } from "bun:test";
import { ASSIGN_JOB, composePlacing, MOVE_JOB, type PlacingParts } from "./placing.ts";
import { beatOf, recordOf, registryRig, stateOf } from "../../cluster/registry/test-registry.ts";
import type { LinkFailure, NodeOperation } from "../../cluster/link.ts";
import { err, type Result } from "../../core/result.ts";

const never = new AbortController().signal;

/** Of nodes whose agents say what the test wants. */
function rig(nodes: readonly string[], answer: (node: string, path: string) => Result<unknown, LinkFailure>) {
  const { registry } = registryRig();
  for (const node of nodes) registry.admit(recordOf(node), "lan");
  const placing = composePlacing({
    registry,
    book: { list: () => [] },
    localNode: "local",
    link: { call: async (node: string, { path }: NodeOperation<unknown>) => answer(node, path) },
    router: { waiting: () => 0, busy: () => 0 },
    models: { defaultModel: () => "team" },
    board: () => ({ replicas: nodes.flatMap((node) => registry.get(node)?.state?.replicas ?? []) }),
    earlier: [],
  } as unknown as PlacingParts);
  const steps: string[] = [];
  const run = async (kind: string, input: unknown): Promise<unknown> =>
    await placing.jobs
      .find((one) => one.kind === kind)
      ?.run({
        input,
        resumeFrom: null,
        checkpoint: async () => undefined,
        signal: never,
        progress: (_done, _total, message) => void steps.push(message),
      })
      .catch((cause: unknown) => String(cause));
  return { registry, steps, run };
}

test("a node that is to get a model is not told to need none because its leader has just started", async () => {
  const { registry, steps, run } = rig(["n_1", "n_2"], () => err({ kind: "refused", message: "", mend: "" }));
  const ended = run(ASSIGN_JOB, { node: "n_2" });
  registry.beat("n_2", beatOf(stateOf("n_2", [])));
  const starting = stateOf("n_1", []);
  const engines = starting.engines.map((engine) => ({ ...engine, state: "starting" as const, models: ["team"] }));
  registry.beat("n_1", beatOf({ ...starting, engines }));
  // It is the default model, and there is nobody yet who serves it.
  await Bun.sleep(0);
  registry.beat("n_1", beatOf(stateOf("n_1", ["team"], 2)));
  expect(await ended).toContain("team: no node that can be reached has its file");
  expect(steps).toEqual(["team"]);
});

test("an unload whose answer was lost is asked for again, and that it is done already is no failure", async () => {
  let asked = 0;
  const { registry, steps, run } = rig(["n_1", "n_2"], () => {
    asked += 1;
    if (asked === 1) return err({ kind: "node_unreachable", message: "the node did not answer in time", mend: "" });
    // What it did at the first call it tells a moment later.
    setTimeout(() => registry.beat("n_1", beatOf(stateOf("n_1", ["other"], 2))), 1);
    return err({ kind: "unknown_engine", message: "no model team was loaded on this node", mend: "" });
  });
  registry.beat("n_1", beatOf(stateOf("n_1", ["team", "other"])));
  registry.beat("n_2", beatOf(stateOf("n_2", ["team"])));
  expect(await run(MOVE_JOB, { model: "team", from: "n_1", to: "n_2" })).toBeUndefined();
  expect([asked, steps.at(-1)]).toEqual([2, "host-n_2 serves team"]);
});
