import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Affinity, type Candidate, chooseReplica, loadBound } from "./choose-replica.ts";
import { replicaOf } from "./fixtures/router-rig.ts";

const candidate = fc
  .record({
    slots: fc.integer({ min: 1, max: 256 }),
    inFlight: fc.nat(255),
    tokens: fc.nat(500_000),
    local: fc.boolean(),
  })
  .map(({ slots, inFlight, tokens, local }) => ({ slots, inFlight: Math.min(inFlight, slots - 1), tokens, local }));
const candidates = fc.array(candidate, { minLength: 1, maxLength: 40 }).map((rows) =>
  rows.map(({ slots, inFlight, tokens, local }, at): Candidate => ({
    replica: replicaOf(String(at), { slots, node: local ? "here" : `n${at}` }),
    inFlight,
    outstandingTokens: inFlight === 0 ? 0 : tokens,
  })),
);
const affinities = fc.array(
  fc.record({
    replicaId: fc.nat(50).map(String),
    savedTokens: fc.nat(20_000),
    reason: fc.constantFrom<Affinity["reason"]>("session", "prefix"),
  }),
  { maxLength: 4 },
);
const costTokens = fc.nat(30_000);

const perSlot = ({ outstandingTokens, replica }: Candidate): number => outstandingTokens / replica.slots;

test("the choice is always one of the candidates, and the same for the same question", () => {
  fc.assert(
    fc.property(candidates, affinities, costTokens, (all, known, cost) => {
      const question = { candidates: all, affinities: known, costTokens: cost, localNode: "here" };
      const decision = chooseReplica(question);
      expect(all).toContain(decision.candidate);
      expect(chooseReplica(question)).toEqual(decision);
    }),
  );
});

test("what nothing speaks for goes to the least to do, this node first between equals", () => {
  fc.assert(
    fc.property(candidates, costTokens, (all, cost) => {
      const { candidate: taken } = chooseReplica({
        candidates: all,
        affinities: [],
        costTokens: cost,
        localNode: "here",
      });
      for (const other of all) {
        // A hop and the number of requests weigh a few tokens, no more.
        const slack = (taken.inFlight + other.inFlight + 16) / Math.min(taken.replica.slots, other.replica.slots);
        expect(perSlot(taken)).toBeLessThanOrEqual(perSlot(other) + slack);
      }
      const idle = all.map(({ replica }): Candidate => ({ replica, inFlight: 0, outstandingTokens: 0 }));
      const local = idle.some(({ replica }) => replica.node === "here");
      const calm = chooseReplica({ candidates: idle, affinities: [], costTokens: cost, localNode: "here" });
      expect(calm.candidate.replica.node === "here").toBe(local);
    }),
  );
});

test("a replica that knows the conversation is taken within its bound and never above it", () => {
  fc.assert(
    fc.property(candidates, affinities, costTokens, (all, known, cost) => {
      const { candidate: taken, reason } = chooseReplica({
        candidates: all,
        affinities: known,
        costTokens: cost,
        localNode: "here",
      });
      const slots = all.reduce((sum, { replica }) => sum + replica.slots, 0);
      const share = all.reduce((sum, { outstandingTokens }) => sum + outstandingTokens, 0) / slots;
      const within = ({ replicaId, savedTokens }: Affinity): boolean => {
        const one = all.find(({ replica }) => replica.id === replicaId);
        return one !== undefined && one.outstandingTokens <= loadBound(one, share, savedTokens, cost);
      };
      const first = known.find(within);
      if (first === undefined) expect(reason).toMatch(/^(only free replica|least busy)/);
      else expect(taken.replica.id).toBe(first.replicaId);
    }),
  );
});

test("a replica in whose engine requests wait is passed over, whoever sent them", () => {
  const load = { running: 4, waiting: 3, kvCacheUsage: 0.9 };
  const busy: Candidate = { replica: { ...replicaOf("a", { slots: 4 }), load }, inFlight: 0, outstandingTokens: 0 };
  const calm: Candidate = { replica: replicaOf("b", { slots: 4 }), inFlight: 1, outstandingTokens: 1_000 };
  const question = { affinities: [], costTokens: 100, localNode: "local" };
  expect(chooseReplica({ ...question, candidates: [busy, calm] }).candidate).toBe(calm);
});
