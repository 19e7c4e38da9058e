import { expect, test } from "bun:test";
import { err, ok, type Result } from "../../core/result.ts";
import type { LinkFailure } from "../link.ts";
import { availableModels } from "../node-operations.ts";
import { patientLink } from "./patient-link.ts";
import { beatOf, recordOf, registryRig, stateOf } from "./test-registry.ts";

const never = new AbortController().signal;
const failed = (kind: LinkFailure["kind"]): LinkFailure => ({ kind, message: kind, mend: "flock node ls" });

function rig(answers: (LinkFailure["kind"] | null)[], patienceMs = 30_000) {
  const { registry } = registryRig();
  registry.admit(recordOf("n_1"), null);
  registry.beat("n_1", beatOf(stateOf("n_1", [])));
  let asked = 0;
  const call = (async () => {
    const kind = answers[Math.min(asked++, answers.length - 1)] ?? null;
    return kind === null ? ok([]) : err(failed(kind));
  }) as () => Promise<Result<never, LinkFailure>>;
  const link = patientLink({ registry, link: { call }, patienceMs });
  const ask = (signal: AbortSignal = never) => link.call("n_1", availableModels(), signal);
  return { registry, ask, asked: () => asked };
}

test("a node that is alive and has no connection at the moment is asked until it answers", async () => {
  const { ask, asked } = rig(["node_unreachable", "node_unreachable", null]);
  expect(await ask()).toEqual(ok([]));
  expect(asked()).toBe(3);
});

test("a node that is lost, removed, or refuses is not asked again", async () => {
  const lost = rig(["node_unreachable"]);
  lost.registry.lost("n_1", "its connections were closed");
  const removed = rig(["node_unreachable"]);
  removed.registry.remove("n_1");
  const refuses = rig(["refused"]);
  for (const { ask, asked } of [lost, removed, refuses]) expect([(await ask()).ok, asked()]).toEqual([false, 1]);
});

test("patience has an end, and ends when the caller's does", async () => {
  const over = rig(["node_unreachable"], 0);
  expect([(await over.ask()).ok, over.asked()]).toEqual([false, 1]);
  const cancelled = rig(["node_unreachable"]);
  const abort = new AbortController();
  const asking = cancelled.ask(abort.signal);
  abort.abort();
  expect(await asking).toEqual(err(failed("node_unreachable")));
});
