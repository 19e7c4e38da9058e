import { expect, test } from "bun:test";
import { askOf, engineOf, replicaOf, routerRig } from "./fixtures/router-rig.ts";

test("one slot: those who wait are served in turn, across keys", async () => {
  const rig = routerRig({ replicas: [replicaOf("a", { slots: 1 })] });
  const running = rig.take();
  const order: string[] = [];
  const waiting = ["alice", "alice", "alice", "bob"].map(async (key) => {
    const picked = await rig.pick(askOf({ key, promptTokens: 100 }));
    order.push(key);
    if (picked.ok) picked.value.end({ promptTokens: 100, cachedTokens: 0, completionTokens: 5 });
  });
  rig.clock.pass(700);
  running.end(null);
  await Promise.all(waiting);
  expect(order).toEqual(["alice", "bob", "alice", "alice"]);
});

test("no key takes the last free slot of a replica while other keys may come", async () => {
  const rig = routerRig({ severalKeys: true, replicas: [replicaOf("a")] });
  const mine = [rig.take(), rig.take(), rig.take()];
  const fourth = rig.pick(askOf());
  expect(rig.router.waiting("tiny")).toBe(1);
  const other = await rig.pick(askOf({ key: "bob" }));
  expect(other.ok).toBe(true);
  mine[0]?.end(null);
  // The slot that came free is the last one now.
  expect(rig.router.waiting("tiny")).toBe(1);
  if (other.ok) other.value.end(null);
  expect(await fourth).toMatchObject({ ok: true });
});

test("a key that is alone uses all slots; of two slots one is kept only while others are really there", async () => {
  const alone = routerRig({ replicas: [replicaOf("a")] });
  for (let slot = 0; slot < 4; slot += 1) alone.take();
  const two = routerRig({ severalKeys: true, replicas: [replicaOf("a", { slots: 2 })] });
  const held = [two.take(), two.take()];
  for (const lease of held) lease.end(null);
  two.take(askOf({ key: "bob" })).end(null);
  two.take();
  const second = two.pick(askOf());
  expect(two.router.waiting("tiny")).toBe(1);
  two.clock.pass(16 * 60_000);
  two.take(askOf({ key: "carol" }));
  expect(await second).toMatchObject({ ok: false, error: { kind: "queue_full" } });
});

test("who hangs up while waiting is gone at once, and nobody behind notices", async () => {
  const rig = routerRig({ replicas: [replicaOf("a", { slots: 1 })] });
  const running = rig.take();
  const abort = new AbortController();
  const gone = rig.pick(askOf(), new Set(), abort.signal);
  const behind = askOf();
  const next = rig.pick(behind);
  expect(behind.place?.position()).toBe(2);
  abort.abort();
  expect(rig.router.waiting("tiny")).toBe(1);
  expect(behind.place?.position()).toBe(1);
  expect(await gone).toEqual({ ok: false, error: { kind: "cancelled" } });
  running.end(null);
  expect(await next).toMatchObject({ ok: true });
  expect(rig.clock.timers).toBe(0);
});

test("interactive requests go before batch ones, which still get one turn in eight", async () => {
  const rig = routerRig({ replicas: [replicaOf("a", { slots: 1 })] });
  const running = rig.take();
  const order: string[] = [];
  const wait = async (key: string, batch: boolean): Promise<void> => {
    const picked = await rig.pick(askOf({ key, batch, promptTokens: 10 }));
    order.push(batch ? "b" : "i");
    if (picked.ok) picked.value.end(null);
  };
  const all = [wait("nightly", true), ...Array.from({ length: 9 }, () => wait("alice", false))];
  running.end(null);
  await Promise.all(all);
  expect(order.join("")).toBe("iiiiiiibii");
});

test("a queue that is full refuses its longest key, never one that has less in it", async () => {
  const rig = routerRig({ limits: { queueLength: 3 }, replicas: [replicaOf("a", { slots: 1 })] });
  const running = rig.take();
  const greedy = Array.from({ length: 4 }, () => rig.pick(askOf()));
  expect(await greedy[3]).toMatchObject({ ok: false, error: { kind: "queue_full", model: "tiny" } });
  const bob = rig.pick(askOf({ key: "bob" }));
  expect(await greedy[2]).toMatchObject({ ok: false, error: { kind: "queue_full" } });
  running.end(null);
  expect(await greedy[0]).toMatchObject({ ok: true });
  expect(rig.router.waiting("tiny")).toBe(2);
  const first = await greedy[0];
  if (first?.ok) first.value.end(null);
  expect(await bob).toMatchObject({ ok: true });
});

test("the wait is bounded, and retry-after is what the measured rate makes of the queue", async () => {
  const rig = routerRig({ limits: { queueWaitMs: 10_000, queueLength: 5 }, replicas: [replicaOf("a", { slots: 2 })] });
  for (let served = 0; served < 40; served += 1) {
    const lease = rig.take();
    rig.clock.pass(4_000);
    lease.end({ promptTokens: 10, cachedTokens: 0, completionTokens: 10 });
  }
  rig.take();
  rig.take();
  const waiting = Array.from({ length: 5 }, () => rig.pick(askOf()));
  const refused = await rig.pick(askOf());
  // Five ahead, two at a time, four seconds each.
  expect(refused).toMatchObject({ ok: false, error: { kind: "queue_full", retryAfterMs: 10_000 } });
  rig.clock.pass(10_000);
  const [first] = await Promise.all(waiting);
  expect(first).toMatchObject({ ok: false, error: { kind: "queue_full", waitedMs: 10_000, retryAfterMs: 2_000 } });
  expect(rig.router.waiting("tiny")).toBe(0);
});

test("those who wait go on when their engine was started anew, and hear of it when it is down for good", async () => {
  const rig = routerRig({ replicas: [replicaOf("a", { slots: 1 })] });
  rig.take();
  const first = rig.pick(askOf());
  const second = rig.pick(askOf({ key: "bob" }));
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "backoff")], expected: ["tiny"] });
  rig.offer([replicaOf("a", { slots: 1 })], 2);
  expect(await first).toMatchObject({ ok: true });
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "crashloop")], expected: ["tiny"] });
  expect(await second).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
});

test("who waits hears at once that no replica is left for it, and does not wait for one where another model can answer", async () => {
  const rig = routerRig({ replicas: [replicaOf("a", { slots: 1 }), replicaOf("b", { slots: 1 })] });
  rig.take();
  rig.take();
  const tried = rig.pick(askOf(), new Set(["a"]));
  const hasty = rig.pick({ ...askOf(), patient: false });
  const patient = rig.pick(askOf());
  rig.offer([replicaOf("a", { slots: 1 })]);
  expect(await tried).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
  rig.board.update("local", { replicas: [], engines: [engineOf("a", "backoff")], expected: ["tiny"] });
  expect(await hasty).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
  rig.offer([replicaOf("a", { slots: 1 })], 2);
  expect(await patient).toMatchObject({ ok: true });
});
