import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Clock } from "../core/clock.ts";
import { UNKNOWN_AUDIENCE } from "./audience.ts";
import { isLinkKey, makeLinkKey, signingKeys } from "./link-key.ts";
import { ReplayGuard } from "./replay-guard.ts";
import { callSigner, type CallToVerify, MAX_SKEW_MS, parseSigned, verifySigned } from "./signed-call.ts";

const leader = makeLinkKey();
const worker = makeLinkKey();
const atLeader = signingKeys(leader.linkPrivateKey, worker.linkKey);
const atWorker = signingKeys(worker.linkPrivateKey, leader.linkKey);
const CALL = { method: "POST", path: "/v1/process/start?x=1", body: '{"a":1}' };

function clockAt(ms: number): Clock {
  return { now: () => ms, monotonicMs: () => ms };
}

const WORKER = "workerworker";

function sign(call = CALL, at = 1_000_000, key = atLeader.toWorker, audience: string | null = WORKER): string {
  return callSigner({ node: "n_1", key, clock: clockAt(at), life: "abcdefgh" }).sign(call, audience);
}

function verify(header: string | null, call: CallToVerify = CALL, at = 1_000_000, guard = new ReplayGuard()): string {
  const claim = parseSigned(header);
  if (claim === null) return "no claim";
  const verified = verifySigned(claim, call, atWorker.toWorker, guard, {
    audience: WORKER,
    clock: clockAt(at),
    caller: "leader",
  });
  return verified.ok ? "taken" : `${verified.error.code}: ${verified.error.message}`;
}

test("both sides derive the same keys, one a direction, and another node's are others", () => {
  expect(atLeader).toEqual(atWorker);
  expect(atLeader.toLeader).not.toEqual(atLeader.toWorker);
  expect(signingKeys(makeLinkKey().linkPrivateKey, leader.linkKey).toWorker).not.toEqual(atLeader.toWorker);
  expect(isLinkKey(worker.linkKey)).toBe(true);
  expect(isLinkKey("MCowBQYDK2VuAyEA")).toBe(false);
});

test("a signed call is taken once; the same again is refused", () => {
  const guard = new ReplayGuard();
  const header = sign();
  expect(verify(header, CALL, 1_000_000, guard)).toBe("taken");
  expect(verify(header, CALL, 1_000_500, guard)).toBe("signature: this call was made before");
});

test("method, path, query and body are covered", () => {
  const header = sign();
  const unfit = "signature: the signature does not fit the call";
  expect(verify(header, { ...CALL, method: "GET" })).toBe(unfit);
  expect(verify(header, { ...CALL, path: "/v1/process/stop?x=1" })).toBe(unfit);
  expect(verify(header, { ...CALL, path: "/v1/process/start?x=2" })).toBe(unfit);
  expect(verify(header, { ...CALL, body: '{"a":2}' })).toBe("signature: the signature does not cover this body");
});

test("a call whose body is not covered is no control call", () => {
  const signer = callSigner({ node: "n_1", key: atLeader.toWorker, clock: clockAt(1_000_000), life: "abcdefgh" });
  const header = signer.sign({ ...CALL, body: null }, WORKER);
  expect(verify(header)).toBe("signature: the signature does not cover this body");
  expect(verify(header, { ...CALL, body: null })).toBe("taken");
});

test("a call cannot be sent back in the other direction, or to another node", () => {
  expect(verify(sign(CALL, 1_000_000, atLeader.toLeader))).toStartWith("signature:");
});

test("a clock that is more than five minutes off is named, with how far and which way", () => {
  const header = sign();
  expect(verify(header, CALL, 1_000_000 + MAX_SKEW_MS)).toBe("taken");
  expect(verify(header, CALL, 1_000_000 + MAX_SKEW_MS + 1_000)).toBe(
    "clock_skew: the clocks of the two machines are 5 minutes apart (the leader's is behind); 5 minutes are allowed",
  );
  expect(verify(header, CALL, 1_000_000 - 2 * MAX_SKEW_MS)).toContain("10 minutes apart (the leader's is ahead)");
});

test("no part of a header can be changed or left out", () => {
  const header = sign();
  expect(verify(null)).toBe("no claim");
  expect(verify("")).toBe("no claim");
  fc.assert(
    fc.property(fc.nat(header.length - 1), fc.constantFrom("a", "Z", "0", "9", ".", "_", "-"), (at, letter) => {
      fc.pre(header[at] !== letter);
      const changed = header.slice(0, at) + letter + header.slice(at + 1);
      return !verify(changed).startsWith("taken");
    }),
  );
});

test("calls that overtake each other are all taken, each once, whatever the order", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3_000 }), { maxLength: 200 }), (numbers) => {
      const guard = new ReplayGuard();
      const seen = new Set<number>();
      return numbers.every((number) => {
        const fresh = !seen.has(number);
        seen.add(number);
        return guard.take("life", number, 0, -1) === fresh;
      });
    }),
  );
});

test("what is too far behind to tell is refused; a jump ahead forgets nothing near it", () => {
  const guard = new ReplayGuard();
  expect(guard.take("a", 1, 0, -1)).toBe(true);
  expect(guard.take("a", 100_000, 0, -1)).toBe(true);
  expect(guard.take("a", 2, 0, -1)).toBe(false);
  expect(guard.take("a", 99_000, 0, -1)).toBe(true);
  expect(guard.take("a", 99_000, 0, -1)).toBe(false);
});

test("no life of a sender is forgotten while its calls are young enough to be repeated, however many there are", () => {
  const guard = new ReplayGuard();
  const take = (life: number, at: number, oldestAt: number) => guard.take(`life${life}`, 1, at, oldestAt);
  let taken = 0;
  while (taken < 10_000 && take(taken, taken, -1)) taken++;
  // Every command that is typed on a worker is one.
  expect(taken).toBeGreaterThan(1_000);
  expect([0, 1, taken - 1].map((life) => take(life, life, -1))).toEqual([false, false, false]);
  expect(take(taken, taken, -1)).toBe(false);
  expect(take(taken, taken, 10)).toBe(true);
});

test("a call is for one process: another one does not take it, and tells its caller alone who it is", () => {
  for (const audience of ["anotherone", UNKNOWN_AUDIENCE]) {
    const header = sign(CALL, 1_000_000, atLeader.toWorker, audience);
    expect(verify(header)).toStartWith("audience: the call was made out to another process");
    expect(verify(header, { ...CALL, method: "GET" })).toStartWith("signature:");
    expect(verify(header, CALL, 2_000_000)).toStartWith("clock_skew:");
    expect(verify(header.replace(`.${audience}.`, `.${WORKER}.`))).toStartWith("signature:");
    expect(verify(header.replace(`.${audience}.`, "."))).toStartWith("signature:");
  }
});

test("protocol 3 names nobody, and is understood unless the caller says that it speaks a later one", () => {
  const header = sign(CALL, 1_000_000, atLeader.toWorker, null);
  expect(verify(header, { ...CALL, named: true })).toStartWith("audience:");
  const guard = new ReplayGuard();
  expect(verify(header, CALL, 1_000_000, guard)).toBe("taken");
  expect(verify(header, CALL, 1_000_000, guard)).toBe("signature: this call was made before");
});
