import { expect, test } from "bun:test";
import { testReplica } from "../core/test-replica.ts";
import type { Failure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import { HEALTH_TIMES } from "./health-times.ts";
import type { EngineCheck, EngineDoubt, InFlight } from "./ports.ts";
import { ReplicaWatch } from "./replica-watch.ts";

const replica = (id: string): Replica =>
  testReplica({ id, engine: "embedded", engineId: id, contextTokens: 512, smokeTest: true });

class Attempt implements InFlight {
  lastByteMs: number;
  awaitsEngine = true;
  streams = true;
  contentSeen = false;
  failure: Failure | null = null;

  constructor(nowMs: number) {
    this.lastByteMs = nowMs;
  }
  lost(failure: Failure): void {
    this.failure ??= failure;
  }
}

/** A watch on a clock that is moved by hand; the node says what `says` holds. */
function rig(other = true) {
  const state = { now: 0, says: { healthy: true, progressing: false } as EngineCheck | null };
  const doubts: EngineDoubt[] = [];
  const watch = new ReplicaWatch(HEALTH_TIMES, {
    monotonicMs: () => state.now,
    async check(_replica, doubt) {
      doubts.push(doubt);
      return await Promise.resolve(state.says);
    },
    hasOther: () => other,
    wake: () => undefined,
    log: () => undefined,
  });
  const a = replica("a");
  watch.update([a], () => 1);
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      state.now += 1_000;
      watch.tick();
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  const begin = (): { attempt: Attempt; end: () => void } => {
    const attempt = new Attempt(state.now);
    return { attempt, end: watch.begin(a, attempt) };
  };
  return { state, doubts, watch, a, pass, begin };
}

const broke: Failure = { kind: "engine_failed", engine: "embedded", cause: "it broke off" };

test("an engine that holds requests and says nothing is looked at after ten seconds", async () => {
  const { pass, begin, doubts } = rig();
  begin();
  await pass(9);
  expect(doubts).toEqual([]);
  await pass(2);
  expect(doubts).toHaveLength(1);
  expect(doubts[0]?.reason).toContain("1 in flight");
});

test("requests that keep coming do not hide that nothing comes back", async () => {
  const { pass, begin, doubts } = rig();
  for (let second = 0; second < 12; second++) {
    begin();
    await pass(1);
  }
  expect(doubts.length).toBeGreaterThan(0);
});

test("content from any of its requests shows that it works", async () => {
  const { state, pass, begin, doubts } = rig();
  begin();
  const { attempt } = begin();
  for (let second = 0; second < 30; second++) {
    attempt.contentSeen = true;
    attempt.lastByteMs = state.now;
    await pass(1);
  }
  expect(doubts).toEqual([]);
});

test("a client that reads slowly is not the engine's silence", async () => {
  const { pass, begin, doubts } = rig();
  begin().attempt.awaitsEngine = false;
  await pass(60);
  expect(doubts).toEqual([]);
});

test("one that does not answer its node is shut, and what waits there goes elsewhere; what runs is left alone", async () => {
  const { state, pass, begin, watch } = rig();
  const [waiting, running] = [begin().attempt, begin().attempt];
  running.contentSeen = true;
  state.says = { healthy: false, progressing: null };
  await pass(11);
  expect(waiting.failure).toMatchObject({ kind: "engine_failed" });
  expect(running.failure).toBeNull();
  expect(watch.shutUntilMs("a", state.now)).toBeGreaterThan(state.now);
});

test("without another replica what waits stays until its node has decided", async () => {
  const { state, pass, begin, watch } = rig(false);
  const { attempt } = begin();
  state.says = { healthy: false, progressing: null };
  await pass(15);
  expect(attempt.failure).toBeNull();
  watch.update([], () => 1);
  await pass(13);
  expect(attempt.failure).toMatchObject({ kind: "engine_failed" });
});

test("a long prompt is no failure while the engine shows its work", async () => {
  const { state, pass, begin, doubts } = rig();
  const { attempt } = begin();
  state.says = { healthy: true, progressing: true };
  await pass(600);
  expect(attempt.failure).toBeNull();
  expect(doubts.every(({ strikes }) => strikes === 0)).toBe(true);
});

test("healthy but without a token: three strikes, told to the node, and all is given up", async () => {
  const { pass, begin, doubts } = rig(false);
  const { attempt } = begin();
  attempt.contentSeen = true;
  await pass(100);
  expect(doubts.map(({ strikes }) => strikes).filter((strikes) => strikes > 0)).toEqual([1, 2, 3]);
  expect(attempt.failure).toMatchObject({ kind: "engine_failed" });
});

test("with another replica the first strike moves what waits", async () => {
  const { pass, begin } = rig();
  const { attempt } = begin();
  await pass(29);
  expect(attempt.failure).toBeNull();
  await pass(12);
  expect(attempt.failure).toMatchObject({ kind: "engine_failed" });
});

test("an engine that cannot show its work gets more time", async () => {
  const { state, pass, begin } = rig();
  const { attempt } = begin();
  state.says = { healthy: true, progressing: null };
  await pass(190);
  expect(attempt.failure).toBeNull();
  await pass(30);
  expect(attempt.failure).toMatchObject({ kind: "engine_failed" });
});

test("an answer in one piece is not judged where the engine cannot show its work", async () => {
  const { state, pass, begin } = rig();
  const { attempt } = begin();
  attempt.streams = false;
  state.says = { healthy: true, progressing: null };
  await pass(590);
  expect(attempt.failure).toBeNull();
});

test("what streams on although its node lost sight of the engine is left alone", async () => {
  const { state, pass, begin, watch } = rig();
  const { attempt } = begin();
  attempt.contentSeen = true;
  watch.update([], () => 1);
  for (let second = 0; second < 30; second++) {
    attempt.lastByteMs = state.now;
    await pass(1);
  }
  expect(attempt.failure).toBeNull();
});

test("a new life of the engine starts with a clean record, and what hangs at the old one is given up", async () => {
  const { state, pass, begin, watch, a } = rig();
  const { attempt } = begin();
  watch.failed(a, broke, true);
  expect(watch.anyShut).toBe(true);
  watch.update([a], () => 2);
  expect(watch.anyShut).toBe(false);
  expect(watch.shutUntilMs("a", state.now)).toBe(0);
  await pass(13);
  expect(attempt.failure).toMatchObject({ kind: "engine_failed" });
});

test("each failure that traffic saw makes the node look, once a second at most", async () => {
  const { pass, watch, a, doubts } = rig();
  watch.failed(a, broke, false);
  await pass(0);
  watch.failed(a, broke, false);
  expect(doubts).toHaveLength(1);
  await pass(1);
  watch.failed(a, broke, false);
  expect(doubts).toHaveLength(2);
});

test("a shut replica lets one request try, and its answer opens it for all", () => {
  const { state, watch, a } = rig();
  watch.failed(a, broke, true);
  state.now = watch.shutUntilMs("a", state.now);
  expect(watch.shutUntilMs("a", state.now)).toBe(0);
  watch.picked("a", state.now);
  const end = watch.begin(a, new Attempt(state.now));
  expect(watch.shutUntilMs("a", state.now)).toBeGreaterThan(state.now);
  watch.answered(a);
  end();
  expect(watch.shutUntilMs("a", state.now)).toBe(0);
  expect(watch.anyShut).toBe(false);
});

test("a refusal of the request says nothing of the replica", () => {
  const { watch, a, doubts } = rig();
  for (let at = 0; at < 5; at++) watch.failed(a, { kind: "queue_full", model: "tiny", retryAfterMs: 1 }, false);
  expect(watch.anyShut).toBe(false);
  expect(doubts).toEqual([]);
});
