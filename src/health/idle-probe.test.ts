import { expect, test } from "bun:test";
import { testReplica } from "../core/test-replica.ts";
import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import { HEALTH_TIMES } from "./health-times.ts";
import { IdleProbe } from "./idle-probe.ts";
import type { InFlight } from "./ports.ts";
import { ReplicaWatch } from "./replica-watch.ts";

const replica = testReplica({ id: "a", engineId: "a", contextTokens: 512, smokeTest: true });
const busy: InFlight = {
  lastByteMs: 0,
  awaitsEngine: true,
  streams: true,
  contentSeen: true,
  lost: () => undefined,
};
const broke: Failure = { kind: "engine_failed", engine: "llamacpp", cause: "it broke off" };

function rig(answer: Result<void, Failure>, served: Replica = replica) {
  const state = { now: 0, asked: 0 };
  const monotonicMs = () => state.now;
  const watch = new ReplicaWatch(HEALTH_TIMES, {
    monotonicMs,
    check: () => Promise.resolve(null),
    hasOther: () => false,
    wake: () => undefined,
    log: () => undefined,
  });
  watch.update([served], () => 1);
  const probe = new IdleProbe(watch, HEALTH_TIMES, {
    monotonicMs,
    async ask() {
      state.asked++;
      return await Promise.resolve(answer);
    },
  });
  const look = async (): Promise<number> => {
    probe.tick();
    await Bun.sleep(0);
    return state.asked;
  };
  return { state, watch, look };
}

test("a replica that nobody used for long is asked for one token, and then rests", async () => {
  const { state, look } = rig(ok(undefined));
  expect(await look()).toBe(0);
  state.now = HEALTH_TIMES.idleProbeMs;
  expect(await look()).toBe(1);
  expect(await look()).toBe(1);
});

test("a busy replica is never asked", async () => {
  const { state, watch, look } = rig(ok(undefined));
  const end = watch.begin(replica, busy);
  state.now = HEALTH_TIMES.idleProbeMs * 2;
  expect(await look()).toBe(0);
  end();
  expect(await look()).toBe(1);
});

test("a shut replica is asked as soon as it may be tried, and opened by its answer", async () => {
  const { state, watch, look } = rig(ok(undefined));
  watch.failed(replica, broke, true);
  expect(await look()).toBe(0);
  state.now = HEALTH_TIMES.shutMs;
  expect(await look()).toBe(1);
  expect(watch.anyShut).toBe(false);
});

test("one that fails again rests for longer", async () => {
  const { state, watch, look } = rig(err(broke));
  watch.failed(replica, broke, true);
  state.now = HEALTH_TIMES.shutMs;
  await look();
  expect(watch.shutUntilMs("a", state.now)).toBe(state.now + 2 * HEALTH_TIMES.shutMs);
});

test("Ollama, which would load a model for it, is only asked when in doubt", async () => {
  const { state, look } = rig(ok(undefined), { ...replica, engine: "ollama" });
  state.now = HEALTH_TIMES.idleProbeMs * 2;
  expect(await look()).toBe(0);
});
