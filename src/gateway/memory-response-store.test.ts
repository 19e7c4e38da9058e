import { expect, test } from "bun:test";
import fc from "fast-check";
import type { JsonObject } from "../core/chat-request.ts";
import type { Clock } from "../core/clock.ts";
import { MemoryResponseStore, RESPONSE_STORE_LIMITS } from "./memory-response-store.ts";
import type { Items } from "./response-store.ts";

class FakeClock implements Clock {
  ms = 5_000;
  now(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

function said(text: string, id?: string): JsonObject {
  return { type: "message", role: "user", content: text, ...(id === undefined ? {} : { id }) };
}

const SHOWN = { inputs: 1, head: {} };

function make(limits: Partial<typeof RESPONSE_STORE_LIMITS> = {}): { store: MemoryResponseStore; clock: FakeClock } {
  const clock = new FakeClock();
  return { clock, store: new MemoryResponseStore(clock, { ...RESPONSE_STORE_LIMITS, ...limits }) };
}

test("a conversation grows response by response, and any of them can be continued", async () => {
  const { store } = make();
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: [said("a"), said("b")] });
  const first = (await store.resolve("k", "r1")) ?? [];
  expect(first).toEqual([said("a"), said("b")]);
  await store.put("k", { ...SHOWN, id: "r2", history: first, items: [said("c")] });
  await store.put("k", { ...SHOWN, id: "r3", history: first, items: [said("d")] });
  expect(await store.resolve("k", "r2")).toEqual([said("a"), said("b"), said("c")]);
  expect(await store.resolve("k", "r3")).toEqual([said("a"), said("b"), said("d")]);
});

test("to another key an id is unknown, for a response and for an item", async () => {
  const { store } = make();
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: [said("secret", "msg_1")] });
  expect(await store.resolve("other", "r1")).toBeNull();
  expect(await store.item("other", "msg_1")).toBeNull();
  expect(await store.delete("other", "r1")).toBe(false);
  expect(await store.item("k", "msg_1")).toEqual(said("secret", "msg_1"));
});

test("a response is forgotten half an hour after its last use, and its items with it", async () => {
  const { store, clock } = make();
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: [said("a", "msg_1")] });
  clock.ms += RESPONSE_STORE_LIMITS.keepMs - 1;
  expect(await store.resolve("k", "r1")).not.toBeNull();
  clock.ms += RESPONSE_STORE_LIMITS.keepMs - 1;
  expect(await store.resolve("k", "r1")).not.toBeNull();
  clock.ms += RESPONSE_STORE_LIMITS.keepMs;
  expect(await store.resolve("k", "r1")).toBeNull();
  expect(await store.item("k", "msg_1")).toBeNull();
  expect(store.bytes).toBe(0);
});

test("a deleted response is unknown, but what continues it still has the whole conversation", async () => {
  const { store } = make();
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: [said("a")] });
  await store.put("k", { ...SHOWN, id: "r2", history: (await store.resolve("k", "r1")) ?? [], items: [said("b")] });
  expect(await store.delete("k", "r1")).toBe(true);
  expect(await store.delete("k", "r1")).toBe(false);
  expect(await store.resolve("k", "r1")).toBeNull();
  expect(await store.resolve("k", "r2")).toEqual([said("a"), said("b")]);
});

test("a long conversation weighs its text once, not once a turn", async () => {
  const { store } = make();
  let history: Items = [];
  for (let turn = 0; turn < 20; turn += 1) {
    await store.put("k", { ...SHOWN, id: `r${turn}`, history, items: [said("x".repeat(10_000))] });
    history = (await store.resolve("k", `r${turn}`)) ?? [];
  }
  expect(history).toHaveLength(20);
  expect(store.bytes).toBeLessThan(20 * 12_000);
});

test("a history that was forgotten while its continuation ran is kept with the continuation", async () => {
  const { store } = make();
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: [said("a")] });
  const history = (await store.resolve("k", "r1")) ?? [];
  await store.delete("k", "r1");
  await store.put("k", { ...SHOWN, id: "r2", history, items: [said("b")] });
  expect(await store.resolve("k", "r2")).toEqual([said("a"), said("b")]);
  expect(store.bytes).toBe(store.bytesOf("k"));
});

test("one key's history under another key is that key's own weight", async () => {
  const { store } = make();
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: [said("a")] });
  const history = (await store.resolve("k", "r1")) ?? [];
  await store.put("other", { ...SHOWN, id: "r2", history, items: [said("b")] });
  await store.delete("other", "r2");
  expect(store.bytesOf("other")).toBe(0);
  expect(await store.resolve("k", "r1")).toEqual([said("a")]);
});

test("what is too large for a key is not kept, and costs nobody anything", async () => {
  const { store } = make({ maxBytesPerKey: 5_000 });
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: [said("a")] });
  expect(await store.put("k", { ...SHOWN, id: "r2", history: [], items: [said("x".repeat(6_000))] })).toBe(false);
  expect(await store.resolve("k", "r2")).toBeNull();
  expect(await store.resolve("k", "r1")).toEqual([said("a")]);
});

test("the least recently used goes first, of the same key before any other's", async () => {
  const { store } = make({ maxBytesPerKey: 5_000, maxBytes: 50_000 });
  const big = [said("x".repeat(1_500))];
  await store.put("other", { ...SHOWN, id: "r0", history: [], items: big });
  await store.put("k", { ...SHOWN, id: "r1", history: [], items: big });
  await store.put("k", { ...SHOWN, id: "r2", history: [], items: big });
  await store.resolve("k", "r1");
  await store.put("k", { ...SHOWN, id: "r3", history: [], items: big });
  expect(await store.resolve("k", "r2")).toBeNull();
  expect(await store.resolve("k", "r1")).not.toBeNull();
  expect(await store.resolve("other", "r0")).not.toBeNull();
});

const key = fc.constantFrom("k1", "k2", "k3");
const id = fc.constantFrom("r1", "r2", "r3", "r4", "r5", "r6");
const operation = fc.oneof(
  fc.record({ do: fc.constant("put" as const), key, id, after: id, length: fc.nat({ max: 3_000 }) }),
  fc.record({ do: fc.constant("resolve" as const), key, id }),
  fc.record({ do: fc.constant("delete" as const), key, id }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat({ max: 20 * 60_000 }) }),
);

test("whatever happens, the bounds hold, the newest is there, and what is there is what was put", async () => {
  const limits = { keepMs: 30 * 60_000, maxBytes: 9_000, maxBytesPerKey: 5_000 };
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
      const { store, clock } = make(limits);
      const put = new Map<string, { items: Items; usedAt: number }>();
      for (const [at, step] of operations.entries()) {
        if (step.do === "wait") {
          clock.ms += step.ms;
        } else if (step.do === "delete") {
          await store.delete(step.key, step.id);
          put.delete(`${step.key} ${step.id}`);
        } else if (step.do === "resolve") {
          const found = await store.resolve(step.key, step.id);
          const expected = put.get(`${step.key} ${step.id}`);
          if (!found) continue;
          expect(found).toEqual([...(expected?.items ?? [])]);
          expect(clock.ms - (expected?.usedAt ?? 0)).toBeLessThan(limits.keepMs);
          if (expected) expected.usedAt = clock.ms;
        } else {
          const history = (await store.resolve(step.key, step.after)) ?? [];
          const before = put.get(`${step.key} ${step.after}`);
          if (before && history.length > 0) before.usedAt = clock.ms;
          const items = [said("x".repeat(step.length), `msg_${at}`)];
          const kept = await store.put(step.key, { ...SHOWN, id: step.id, history, items });
          if (kept) {
            put.set(`${step.key} ${step.id}`, { items: [...history, ...items], usedAt: clock.ms });
            expect(await store.resolve(step.key, step.id)).toEqual([...history, ...items]);
            expect(await store.item(step.key, `msg_${at}`)).toEqual(items[0] ?? null);
          }
        }
        const keys = ["k1", "k2", "k3"].map((one) => store.bytesOf(one));
        expect(Math.max(...keys)).toBeLessThanOrEqual(limits.maxBytesPerKey);
        expect(store.bytes).toBeLessThanOrEqual(limits.maxBytes);
        expect(keys.reduce((sum, bytes) => sum + bytes, 0)).toBe(store.bytes);
      }
      clock.ms += limits.keepMs;
      store.sweep();
      expect([store.bytes, store.size]).toEqual([0, 0]);
    }),
    { numRuns: 200 },
  );
});

test("a response is shown again as it was: what it was asked, and what it answered", async () => {
  const { store } = make();
  const head = { id: "r1", status: "completed" };
  await store.put("k", { id: "r1", history: [], items: [said("a"), said("b")], inputs: 1, head });
  const history = (await store.resolve("k", "r1")) ?? [];
  await store.put("k", { id: "r2", history, items: [said("c"), said("d")], inputs: 1, head: { id: "r2" } });
  expect(await store.get("k", "r1")).toEqual({ head, input: [said("a")], output: [said("b")] });
  expect(await store.get("k", "r2")).toEqual({
    head: { id: "r2" },
    input: [said("a"), said("b"), said("c")],
    output: [said("d")],
  });
  expect(await store.get("other", "r1")).toBeNull();
});
