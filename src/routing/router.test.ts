import { expect, test } from "bun:test";
import type { Replica } from "../core/replica.ts";
import { askOf, engineOf, replicaOf, routerRig } from "./fixtures/router-rig.ts";
import type { ReplicaGate } from "./replica-board.ts";

const PROMPT = "You are a careful assistant of the flock. ".repeat(200);
const usage = (promptTokens: number, cachedTokens: number) => ({ promptTokens, cachedTokens, completionTokens: 10 });

test("the emptier replica is taken, and a tie goes to this node", () => {
  const rig = routerRig({ replicas: [replicaOf("far", { node: "other" }), replicaOf("near")] });
  const first = rig.take();
  expect(first.replica.id).toBe("near");
  expect(rig.take().replica.id).toBe("far");
  first.end(null);
  first.end(null);
  expect(rig.router.busy("near")).toBe(0);
  expect(rig.router.inFlight).toBe(1);
});

test("a request waits for an engine that is starting and gets its replica", async () => {
  const rig = routerRig();
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "stopping")], expected: ["tiny"] });
  const picked = rig.pick(askOf());
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "backoff")], expected: ["tiny"] });
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "starting")], expected: ["tiny"] });
  rig.offer([replicaOf("a")]);
  expect(await picked).toMatchObject({ ok: true, value: { replica: { id: "a" } } });
  expect(rig.clock.timers).toBe(0);
});

test("a client that hangs up while an engine starts is let go at once", async () => {
  const rig = routerRig();
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "starting")], expected: ["tiny"] });
  const abort = new AbortController();
  const picked = rig.pick(askOf(), new Set(), abort.signal);
  abort.abort();
  expect(await picked).toEqual({ ok: false, error: { kind: "cancelled" } });
});

test("an engine in a crash loop is not waited for", async () => {
  const rig = routerRig();
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "crashloop")], expected: ["tiny"] });
  expect(await rig.pick(askOf())).toMatchObject({
    ok: false,
    error: { kind: "engine_unreachable", engine: "llamacpp", start: "flock up" },
  });
});

test("an engine that is being ended for a restart is waited for; once a person has stopped it, not any more", async () => {
  for (const [next, ok] of [
    ["ready", true],
    ["stopped", false],
  ] as const) {
    const rig = routerRig();
    rig.board.update("local", { replicas: [], engines: [engineOf("a", "stopping")], expected: ["tiny"] });
    const picked = rig.pick(askOf());
    const replicas = ok ? [replicaOf("a")] : [];
    rig.board.update("local", { replicas, engines: [engineOf("a", next)], expected: ["tiny"] });
    expect(await picked).toMatchObject({ ok });
  }
});

test("the wait for a replica ends at its limit", async () => {
  const rig = routerRig({ limits: { replicaWaitMs: 20 } });
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "starting")], expected: ["tiny"] });
  const picked = rig.pick(askOf());
  rig.clock.pass(20);
  expect(await picked).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
});

test("a replica that was tried is not offered again", async () => {
  const rig = routerRig({ replicas: [replicaOf("a"), replicaOf("b")] });
  expect(rig.take(askOf(), new Set(["a"])).replica.id).toBe("b");
  const both = await rig.pick(askOf(), new Set(["a", "b"]));
  expect(both).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
});

/** A gate that is shut by hand; a new life of the engine opens it. */
class ManualGate implements ReplicaGate {
  readonly #untilMs = new Map<string, number>();
  readonly #epochs = new Map<string, number>();
  readonly picks: string[] = [];

  get anyShut(): boolean {
    return this.#untilMs.size > 0;
  }
  shut(id: string, untilMs = Number.POSITIVE_INFINITY): void {
    this.#untilMs.set(id, untilMs);
  }
  update(replicas: readonly Replica[], epochOf: (replica: Replica) => number): void {
    for (const one of replicas) {
      if (this.#epochs.get(one.id) !== epochOf(one)) this.#untilMs.delete(one.id);
      this.#epochs.set(one.id, epochOf(one));
    }
  }
  shutUntilMs(id: string): number {
    return this.#untilMs.get(id) ?? 0;
  }
  picked(id: string): void {
    this.picks.push(id);
  }
}

test("a replica that is shut waits for what its node says of it", async () => {
  const gate = new ManualGate();
  const rig = routerRig({ gate, replicas: [replicaOf("a")] });
  gate.shut("a", 30_000);
  const picked = rig.pick(askOf());
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "backoff")], expected: ["tiny"] });
  rig.offer([replicaOf("a")], 2);
  expect(await picked).toMatchObject({ ok: true });
});

test("another replica is taken instead of one that is shut", () => {
  const gate = new ManualGate();
  const rig = routerRig({ gate, replicas: [replicaOf("a"), replicaOf("b")] });
  gate.shut("a");
  expect(rig.board.hasOther(replicaOf("a"))).toBe(true);
  expect(rig.board.hasOther(replicaOf("b"))).toBe(false);
  expect(rig.take().replica.id).toBe("b");
  expect(gate.picks).toEqual(["b"]);
});

test("who waits for a slot gets one of a replica that was shut, when its time is over", async () => {
  const gate = new ManualGate();
  const rig = routerRig({ gate, replicas: [replicaOf("a", { slots: 1 }), replicaOf("b", { slots: 1 })] });
  gate.shut("a", 5_000);
  rig.take();
  const picked = rig.pick(askOf());
  rig.clock.pass(5_000);
  expect(await picked).toMatchObject({ ok: true, value: { replica: { id: "a" }, queueMs: 5_000 } });
});

test("nodes are told of one by one, and one that goes takes only its own replicas", () => {
  const rig = routerRig();
  const [near, far] = [replicaOf("near"), replicaOf("far", { node: "studio" })];
  rig.board.update("local", { replicas: [near], engines: [engineOf("near")], expected: ["tiny"] });
  rig.board.update("studio", { replicas: [far], engines: [engineOf("far", "ready", 7)], expected: ["other"] });
  expect(rig.board.state).toMatchObject({ replicas: [near, far], expected: ["tiny", "other"] });
  expect(rig.board.engineOf(far)?.epoch).toBe(7);
  rig.board.remove("local");
  expect(rig.board.state.replicas).toEqual([far]);
  expect(rig.take().replica.id).toBe("far");
});

test("a session stays where it was, and so does a prompt with a known beginning", () => {
  const rig = routerRig({ replicas: [replicaOf("a"), replicaOf("b"), replicaOf("c")] });
  const first = rig.take(askOf({ prompt: PROMPT, session: "s" }));
  const second = rig.take(askOf({ prompt: `Other ${PROMPT}` }));
  expect(second.replica.id).not.toBe(first.replica.id);
  first.end(usage(2000, 0));
  second.end(usage(2000, 0));
  expect(rig.take(askOf({ session: "s" }))).toMatchObject({ replica: { id: first.replica.id }, reason: "session" });
  const third = rig.take(askOf({ prompt: `Other ${PROMPT} and more` }));
  expect(third.replica.id).toBe(second.replica.id);
  expect(third.reason).toMatch(/^prefix of ~2\d\d\d tokens$/);
});

test("without sticky sessions only the beginning of the prompt counts", () => {
  const rig = routerRig({ sticky: false, replicas: [replicaOf("a"), replicaOf("b")] });
  rig.take(askOf({ session: "s", promptTokens: 5 }));
  expect(rig.take(askOf({ session: "s" })).replica.id).toBe("b");
});

test("a replica over its load loses even a conversation that it knows", () => {
  const rig = routerRig({ replicas: [replicaOf("a", { slots: 64 }), replicaOf("b", { slots: 64 })] });
  const places = Array.from({ length: 40 }, () => rig.take(askOf({ prompt: PROMPT, session: "s" })));
  const onA = places.filter(({ replica }) => replica.id === "a").length;
  expect(onA).toBeGreaterThan(10);
  expect(onA).toBeLessThan(30);
  expect(places.some(({ reason }) => reason === "least busy of 2, the session's replica is over its load")).toBe(true);
});

test("an engine that was started anew is not believed to know anything", () => {
  const rig = routerRig({ replicas: [replicaOf("a"), replicaOf("b")] });
  const first = rig.take(askOf({ prompt: PROMPT }));
  rig.offer([replicaOf("a"), replicaOf("b")], 2);
  expect(rig.take(askOf({ prompt: PROMPT }))).toHaveProperty("reason", "least busy of 2");
  // What was sent to its earlier life ends without harm.
  first.end(usage(2000, 2000));
  expect(rig.router.inFlight).toBe(1);
});

test("a prompt that is too long for one replica goes to another, and images go where they are seen", () => {
  const images = { ...replicaOf("x").abilities, images: true };
  const small = replicaOf("small", { contextTokens: 1000, abilities: images });
  const rig = routerRig({ replicas: [small, replicaOf("large", { contextTokens: 9000 })] });
  expect(rig.take(askOf({ promptTokens: 2000 })).replica.id).toBe("large");
  expect(rig.take(askOf({ promptTokens: 500, images: true })).replica.id).toBe("small");
  expect(rig.take(askOf({ promptTokens: 20_000 })).reason).toBe("least busy of 2");
});

test("a decision can be explained without being made: each replica with its reason", () => {
  const gate = new ManualGate();
  const rig = routerRig({ gate, replicas: ["a", "b", "c", "d"].map((id) => replicaOf(id, { slots: 1 })) });
  rig.take();
  gate.shut("b");
  const explained = rig.router.explain(askOf());
  expect(explained.replicas.map(({ replica, taken, reason }) => [replica.id, taken, reason])).toEqual([
    ["c", true, "least busy of 2"],
    ["a", false, "no free slot"],
    ["b", false, "it failed lately"],
    ["d", false, "as busy as c"],
  ]);
  expect(rig.router.inFlight).toBe(1);
  expect(rig.take().replica.id).toBe("c");
});

test("whoever wants to know is told of each decision, and why the other replicas were not taken", async () => {
  const told: string[] = [];
  const rig = routerRig({
    replicas: [replicaOf("a", { slots: 1 }), replicaOf("b", { slots: 1 })],
    onDecision: ({ keyId }, verdicts) =>
      told.push(`${keyId}: ${verdicts.map(({ replica, reason }) => `${replica.id} ${reason}`).join("; ")}`),
  });
  const first = rig.take();
  rig.take();
  const waiting = rig.pick(askOf({ key: "bob" }));
  first.end(null);
  await waiting;
  expect(told).toEqual([
    "alice: a least busy of 2; b as busy as a",
    "alice: b only free replica; a no free slot",
    "bob: a only free replica; b no free slot",
  ]);
});
