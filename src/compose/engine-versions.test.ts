import { expect, test } from "bun:test";
import { installEngineJob } from "./admin/engine-versions.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { NodeOperation } from "../cluster/link.ts";
import { recordOf, registryRig } from "../cluster/registry/test-registry.ts";
import { err, ok } from "../core/result.ts";

test("an install goes on where the node's connections are just made, after a start of the leader or a break", async () => {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), null);
  const away = err({ kind: "node_unreachable", message: "node n_1 cannot be reached", mend: "" });
  const last = { ok: true, version: "b1", variant: "cpu" };
  // It hears of the wish at the second attempt, and breaks off once more while it installs.
  const answers = [away, ok({}), away, ok({ versions: [], installing: null, last })];
  const paths: string[] = [];
  const call = async (_node: string, { path }: NodeOperation<unknown>) => {
    paths.push(path);
    return answers.shift() ?? away;
  };
  const steps: string[] = [];
  await installEngineJob({ registry, link: { call } } as unknown as Cluster).run({
    input: { node: "n_1", version: "b1", variant: "cpu", sha256: null },
    resumeFrom: null,
    checkpoint: async () => undefined,
    signal: new AbortController().signal,
    progress: (_done, _total, message) => void steps.push(message),
  });
  expect(steps).toEqual(["b1 (cpu) is installed and pinned on n_1"]);
  expect(paths.map((path) => path.split("/").at(-1))).toEqual([
    "install",
    "install",
    "llama-versions",
    "llama-versions",
  ]);
});
