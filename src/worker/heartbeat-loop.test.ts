import { expect, test } from "bun:test";
import type { LeaderCallFailure } from "../cluster/node-endpoint.ts";
import { heartbeatRequest, heartbeatRequestV3 } from "../cluster/node-protocol.ts";
import { stateOf } from "../cluster/registry/test-registry.ts";
import type { NodeState } from "../core/node.ts";
import { err, ok, type Result } from "../core/result.ts";
import { type HeartbeatParts, heartbeatLoop, type RegisteredAgain } from "./heartbeat-loop.ts";

type Answer = Result<unknown, LeaderCallFailure>;

const GOOD = ok({ heartbeatMs: 60_000, addresses: ["10.0.0.1:8443"], drained: false, rotate: false });
const AWAY: Answer = err({ kind: "unreachable", message: "the leader cannot be reached", tried: ["a:1 (refused)"] });
const refusal = (status: number, code: string): Answer =>
  err({ kind: "refused", status, code, message: `said ${code}`, mend: "flock join" });

interface Rig {
  readonly parts: HeartbeatParts;
  readonly beats: unknown[];
  readonly log: string[];
  readonly over: AbortController;
  change(state: NodeState): void;
}

/** Gives the answers one after the other; the loop ends after the last. */
function rig(answers: readonly Answer[], more: Partial<HeartbeatParts> = {}): Rig {
  const beats: unknown[] = [];
  const log: string[] = [];
  const over = new AbortController();
  const listeners = new Set<() => void>();
  let state = stateOf("n_1", ["a"]);
  const left = [...answers];
  const parts: HeartbeatParts = {
    calls: {
      async call(_method, _path, body) {
        beats.push(body);
        const answer = left.shift() ?? AWAY;
        if (left.length === 0) queueMicrotask(() => over.abort());
        return answer;
      },
    },
    version: "1",
    epoch: 7,
    state: () => state,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    addresses: () => ["10.0.0.7:8443"],
    load: () => [{ replica: "n_1/embedded/a", running: 1, waiting: 0 }],
    utilisation: async () => ({ cpu: 0.5, gpu: null }),
    answered: () => undefined,
    registerAgain: async () => "unable",
    random: () => 0,
    log: (message) => void log.push(message),
    times: { retryMs: [1, 4], soonestMs: 1 },
    ...more,
  };
  const change = (next: NodeState): void => {
    state = next;
    for (const listener of listeners) listener();
  };
  return { parts, beats, log, over, change };
}

test("a beat is what the protocol says, without the engines' secrets", async () => {
  const { parts, beats, over } = rig([GOOD]);
  expect(await heartbeatLoop(parts, over.signal)).toBeNull();
  const [beat] = beats;
  expect(heartbeatRequest.safeParse(beat).success).toBe(true);
  expect(JSON.stringify(beat)).not.toContain("s3cret");
  expect(beat).toMatchObject({ epoch: 7, sequence: 1, addresses: ["10.0.0.7:8443"], utilisation: { cpu: 0.5 } });
});

test("a change is told at once, long before the next beat is due", async () => {
  const told: string[][] = [];
  const made: Rig = rig([GOOD, GOOD], {
    answered: () => {
      if (told.push([]) === 1) setTimeout(() => made.change(stateOf("n_1", ["a", "b"], 2)), 5);
    },
  });
  await heartbeatLoop(made.parts, made.over.signal);
  expect(made.beats).toMatchObject([{ state: { version: 1 } }, { state: { version: 2 } }]);
});

test("a leader that is away is tried again with growing pauses, and said once", async () => {
  const { parts, beats, log, over } = rig([AWAY, AWAY, refusal(503, "unavailable"), refusal(401, "clock_skew"), GOOD]);
  expect(await heartbeatLoop(parts, over.signal)).toBeNull();
  expect(beats.length).toBe(5);
  expect(log[0]).toBe("the leader cannot be reached (tried a:1 (refused)); trying again");
  expect(log.filter((line) => line.includes("tried")).length).toBe(1);
});

test("a leader that is away is tried again at once when something says that it may be back", async () => {
  const made: Rig = rig([AWAY, GOOD], {
    times: { retryMs: [600_000, 600_000], soonestMs: 1 },
    log: () => void setTimeout(() => made.change(stateOf("n_1", ["a"])), 5),
  });
  expect(await heartbeatLoop(made.parts, made.over.signal)).toBeNull();
  expect(made.beats.length).toBe(2);
});

test("a node that was removed ends, with the words for whoever finds it", async () => {
  const { parts, over } = rig([refusal(401, "revoked"), GOOD]);
  expect(await heartbeatLoop(parts, over.signal)).toEqual({
    message: "said revoked",
    mend: "flock join",
    removed: true,
  });
});

test("a node without a record registers again and beats at once, and ends when it has nothing to show", async () => {
  const states: RegisteredAgain[] = ["later", "again"];
  const asked: number[] = [];
  const again = rig([refusal(404, "unknown_node"), refusal(404, "unknown_node"), GOOD], {
    registerAgain: async () => (asked.push(again.beats.length), states.shift() ?? "unable"),
  });
  expect(await heartbeatLoop(again.parts, again.over.signal)).toBeNull();
  expect(asked).toEqual([1, 2]);
  const cannot = rig([refusal(404, "unknown_node"), GOOD]);
  expect(await heartbeatLoop(cannot.parts, cannot.over.signal)).toEqual({
    message: "said unknown_node",
    mend: "flock join",
    removed: false,
  });
});

test("a leader that forgets this node each time is not asked without a pause", async () => {
  const forgets = rig(
    Array.from({ length: 4 }, () => refusal(404, "unknown_node")),
    {
      registerAgain: async () => "again",
      times: { retryMs: [20, 20], soonestMs: 1 },
    },
  );
  const startedMs = performance.now();
  await heartbeatLoop(forgets.parts, forgets.over.signal);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(20);
});

test("a leader that knows an older key of this node is shown the newer one, and its refusal is the end", async () => {
  const refused = { message: "an older credential", mend: "flock join", removed: false };
  const { parts, over } = rig([refusal(401, "signature"), GOOD], { registerAgain: async () => refused });
  expect(await heartbeatLoop(parts, over.signal)).toEqual(refused);
  const turned = rig([refusal(401, "signature"), GOOD], { registerAgain: async () => "again" });
  expect(await heartbeatLoop(turned.parts, turned.over.signal)).toBeNull();
});

test("what is wrong is told once, and when it is something else, that too", async () => {
  const other: Answer = err({ kind: "unreachable", message: "another leader answers", tried: [] });
  const { parts, log, over } = rig([AWAY, AWAY, other, AWAY, other, AWAY]);
  await heartbeatLoop(parts, over.signal);
  expect(log.map((line) => line.slice(0, 22))).toEqual(["the leader cannot be r", "another leader answers"]);
});

test("a leader of the protocol before is beaten to in its own frames, and today's are taken up when it was updated", async () => {
  const answers = [refusal(426, "protocol"), ok({ ...GOOD.value, heartbeatMs: 1 }), refusal(426, "protocol"), GOOD];
  const { parts, beats, over } = rig(answers);
  expect(await heartbeatLoop(parts, over.signal)).toBeNull();
  expect(beats.map((beat) => heartbeatRequest.safeParse(beat).success)).toEqual([true, false, false, true]);
  expect(beats.map((beat) => heartbeatRequestV3.safeParse(beat).success)).toEqual([false, true, true, false]);
});

test("what did not change since the last answer is not told again, free memory and load aside", async () => {
  const soon = ok({ ...GOOD.value, heartbeatMs: 1 });
  let free = 1_000;
  const made: Rig = rig([soon, soon, soon, AWAY, GOOD], {
    load: () => [],
    answered: () => {
      const state = stateOf("n_1", made.beats.length < 3 ? ["a"] : ["a", "b"]);
      free -= 1;
      made.change({ ...state, inventory: { ...state.inventory, freeMemoryBytes: free } });
    },
  });
  await heartbeatLoop(made.parts, made.over.signal);
  expect(made.beats.every((beat) => heartbeatRequest.safeParse(beat).success)).toBe(true);
  expect(made.beats).toMatchObject([
    { sequence: 1, state: { replicas: [{ model: "a" }] } },
    { sequence: 2, state: { since: 1, freeMemoryBytes: 999 } },
    { sequence: 3, state: { since: 1, freeMemoryBytes: 998 } },
    { sequence: 4, state: { replicas: [{ model: "a" }, { model: "b" }] } },
    // Whoever answers after a failure is told all.
    { sequence: 5, state: { replicas: [{ model: "a" }, { model: "b" }] } },
  ]);
});

test("a leader that does not know what a beat refers to is told all at once, and nothing is logged", async () => {
  const soon = ok({ ...GOOD.value, heartbeatMs: 1 });
  const { parts, beats, log, over } = rig([soon, refusal(409, "state_unknown"), soon, GOOD], {
    times: { retryMs: [60_000, 60_000], soonestMs: 1 },
  });
  await heartbeatLoop(parts, over.signal);
  expect(beats.map((beat) => heartbeatRequest.parse(beat).state)).toMatchObject([
    { node: "n_1" },
    { since: 1 },
    { node: "n_1" },
    { since: 3 },
  ]);
  expect(log).toEqual([]);
});

test("a leader of protocol 3 is told all with each beat", async () => {
  const soon = ok({ ...GOOD.value, heartbeatMs: 1 });
  const { parts, beats, over } = rig([refusal(426, "protocol"), soon, soon, GOOD]);
  await heartbeatLoop(parts, over.signal);
  expect(beats.slice(1).map((beat) => heartbeatRequestV3.safeParse(beat).success)).toEqual([true, true, true]);
});
