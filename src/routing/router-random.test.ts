import { expect, test } from "bun:test";
import fc from "fast-check";
import { askOf, replicaOf, routerRig } from "./fixtures/router-rig.ts";
import type { Lease, Picked } from "./router-port.ts";

interface Asked {
  readonly key: string;
  readonly abort: AbortController;
  picked: Picked | null;
  ended: boolean;
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("ask" as const), key: fc.constantFrom("a", "b", "c"), prompt: fc.nat(5) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(99) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("hang up" as const), which: fc.nat(99) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(400_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("change" as const),
      epoch: fc.nat(2),
      live: fc.subarray(["r0", "r1", "r2"]),
    }),
  },
);

/** Lets promises that were resolved be heard. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

test("whatever happens, no replica is given more than its slots, and everybody who asks hears something", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 3 }), async (steps, slots) => {
      const rig = routerRig({ severalKeys: true, limits: { queueLength: 10 } });
      const offer = (ids: readonly string[], epoch: number): void =>
        rig.offer(
          ids.map((id) => replicaOf(id, { slots })),
          epoch,
        );
      offer(["r0", "r1", "r2"], 0);
      const all: Asked[] = [];
      const held = (): Lease[] => all.flatMap(({ picked, ended }) => (picked?.ok && !ended ? [picked.value] : []));
      for (const one of steps) {
        switch (one.do) {
          case "ask": {
            const asked: Asked = { key: one.key, abort: new AbortController(), picked: null, ended: false };
            all.push(asked);
            const ask = askOf({ key: one.key, prompt: `${one.prompt} is what this is about `.repeat(60) });
            void rig.pick(ask, new Set(), asked.abort.signal).then((picked) => {
              asked.picked = picked;
            });
            break;
          }
          case "end": {
            const running = all.filter(({ picked, ended }) => picked?.ok === true && !ended);
            const asked = running[one.which % Math.max(1, running.length)];
            if (!asked?.picked?.ok) break;
            asked.ended = true;
            asked.picked.value.end({ promptTokens: 300, cachedTokens: one.which, completionTokens: 20 });
            break;
          }
          case "hang up":
            all[one.which % Math.max(1, all.length)]?.abort.abort();
            break;
          case "pass":
            rig.clock.pass(one.ms);
            break;
          case "change":
            offer(one.live, one.epoch);
            break;
        }
        await settle();
        for (const id of ["r0", "r1", "r2"]) expect(rig.router.busy(id)).toBeLessThanOrEqual(slots);
        expect(rig.router.waiting("tiny")).toBeLessThanOrEqual(10);
        for (const { abort, picked } of all) if (abort.signal.aborted) expect(picked).not.toBeNull();
      }
      // Everything comes to an end once the replicas are there and those that run are done.
      offer(["r0", "r1", "r2"], 3);
      for (let turn = 0; turn < 200 && (held().length > 0 || rig.router.waiting("tiny") > 0); turn += 1) {
        for (const asked of all) {
          if (!asked.picked?.ok || asked.ended) continue;
          asked.ended = true;
          asked.picked.value.end(null);
        }
        await settle();
      }
      rig.clock.pass(3_600_000);
      await settle();
      expect(all.filter(({ picked }) => picked === null)).toEqual([]);
      expect(rig.router.waiting("tiny")).toBe(0);
      for (const asked of all) if (asked.picked?.ok && !asked.ended) asked.picked.value.end(null);
      expect(rig.router.inFlight).toBe(0);
      expect(rig.clock.timers).toBe(0);
    }),
    { numRuns: 150 },
  );
});
