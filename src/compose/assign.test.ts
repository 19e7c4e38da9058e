import { expect, test } from "bun:test";
import { ASSIGN_JOB, composePlacing, type PlacingParts } from "./assign.ts";
import { beatOf, recordOf, registryRig, stateOf } from "../cluster/registry/test-registry.ts";
import { err } from "../core/result.ts";

test("a node that is to get a model is not told to need none because its leader has just started", async () => {
  const { registry } = registryRig();
  const nodes = ["n_1", "n_2"];
  const away = { kind: "refused", message: "", mend: "" } as const;
  const placing = composePlacing({
    registry,
    localNode: "local",
    link: { call: async () => err(away) },
    router: { waiting: () => 0, busy: () => 0 },
    models: { defaultModel: () => "team" },
    board: () => ({ replicas: nodes.flatMap((node) => registry.get(node)?.state?.replicas ?? []) }),
    earlier: [],
  } as unknown as PlacingParts);
  const job = placing.jobs.find(({ kind }) => kind === ASSIGN_JOB);
  for (const node of nodes) registry.admit(recordOf(node), "lan");
  const steps: string[] = [];
  const running = job?.run({
    input: { node: "n_2" },
    resumeFrom: null,
    checkpoint: async () => undefined,
    signal: new AbortController().signal,
    progress: (_done, _total, message) => void steps.push(message),
  });
  const ended = running?.catch((cause: unknown) => String(cause));
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
