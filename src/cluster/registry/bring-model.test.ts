import { expect, test } from "bun:test";
import { err, ok } from "../../core/result.ts";
import type { Link } from "../link.ts";
import type { PullAnswer, PullBody } from "../model-files.ts";
import { bringModel, type BringParts } from "./bring-model.ts";

const PART = { name: "m.gguf", bytes: 10, sha256: "a".repeat(64) };
const WAY = { node: "n_1", addresses: ["10.0.0.1:8081"], certificate: "-".repeat(100), ticket: "t" };
const DONE = { state: "done", doneBytes: 10, totalBytes: 10, problem: null } as const;

/** `pull`: what the target says to each asking. */
async function brought(pull: (body: PullBody) => PullAnswer | "refused", over: Partial<BringParts> = {}, to = "n_2") {
  const asked: PullBody[] = [];
  const call: Link["call"] = async (_node, operation) => {
    const digest = { parts: [PART], doneBytes: 10, totalBytes: 10 };
    const body = operation.body as PullBody;
    if (operation.path.endsWith("pull")) asked.push(body);
    const answer = operation.path.endsWith("pull") ? pull(body) : digest;
    if (answer === "refused") return err({ kind: "refused", message: "this is no model", mend: "flock update" });
    const read = operation.read(answer);
    return read === null ? err({ kind: "refused", message: "not read", mend: "" }) : ok(read.value);
  };
  const parts: BringParts = {
    link: { call },
    directWay: () => WAY,
    nameOf: (node) => `host-${node}`,
    localNode: "local",
    ...over,
  };
  const steps: string[] = [];
  const done = await bringModel(parts, { model: "m", from: "n_1" }, to, AbortSignal.timeout(5_000), (message) =>
    steps.push(message),
  );
  return { done, asked, steps };
}

test("the way that the file came is told, with the reason where the leader was in it", async () => {
  const direct = await brought(() => ({ ...DONE, way: { direct: true, why: null } }));
  expect(direct.done).toEqual(ok("directly from host-n_1"));
  expect(direct.asked[0]?.direct).toEqual(WAY);
  const through = await brought(() => ({ ...DONE, way: { direct: false, why: "no answer" } }));
  expect(through.done).toEqual(ok("through the leader from host-n_1, which cannot be reached directly (no answer)"));
  const closed = await brought(() => DONE, { directWay: () => null });
  expect(closed.done).toEqual(ok("through the leader from host-n_1, which opens no port"));
  expect(closed.asked).toEqual([{ model: "m", from: "n_1", parts: [PART] }]);
  expect((await brought(() => DONE, { directWay: () => null }, "local")).done).toEqual(ok("from host-n_1"));
});

test("each asking brings the newest ticket, and the progress says which way it comes", async () => {
  let count = 0;
  const { asked, steps } = await brought(
    () =>
      count < 3
        ? { state: "running", doneBytes: 5, totalBytes: 10, problem: null, way: { direct: true, why: null } }
        : { ...DONE, way: { direct: true, why: null } },
    { directWay: () => ({ ...WAY, ticket: `t${++count}` }) },
  );
  expect(asked.map(({ direct }) => direct?.ticket)).toEqual(["t1", "t2", "t3"]);
  expect(steps).toEqual([
    "bringing its file directly from host-n_1, 50 %",
    "bringing its file directly from host-n_1, 50 %",
  ]);
});

test("a worker of an earlier version, which knows of no direct way, is asked again without one", async () => {
  const { done, asked } = await brought((body) => (body.direct === undefined ? DONE : "refused"));
  expect(done).toEqual(ok("through the leader from host-n_1"));
  expect(asked.map(({ direct }) => direct?.ticket)).toEqual(["t", undefined]);
});
