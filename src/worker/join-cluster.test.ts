import { expect, test } from "bun:test";
import { startTestLeader, type TestLeader } from "../../test/support/in-process-cluster.ts";
import { ABOUT } from "../../test/support/worker-frames.ts";
import { joinCluster } from "./join-cluster.ts";

async function join(token: string, host = "", aheadMs = 0): Promise<string> {
  const clock = { now: () => Date.now() + aheadMs, monotonicMs: () => performance.now() };
  const joined = await joinCluster({ host, token, about: ABOUT, clock }, new AbortController().signal);
  if (!joined.ok) return `${joined.error.message} | ${joined.error.mend}`;
  return `${joined.value.node} of ${joined.value.leader.id}`;
}

async function invite(leader: TestLeader, addresses: readonly string[]): Promise<string> {
  return (await leader.tokens.issue(addresses)).token;
}

test("the leader is found at whichever of its addresses answers, the typed host first", async () => {
  await using leader = await startTestLeader();
  const token = await invite(leader, ["127.0.0.1:1", leader.address]);
  expect(await join(token, "localhost")).toBe(`n_abababab of ${leader.identity.id}`);
  expect(leader.seen).toEqual(["register box"]);
  expect(await join(token)).toBe(
    "this join token was used already: each is for one machine | flock token create --node   # at the leader",
  );
});

test("a leader that is not the token's is sent nothing, and named as another one", async () => {
  await using leader = await startTestLeader();
  await using other = await startTestLeader();
  const said = await join(await invite(leader, [other.address]));
  expect(said).toContain("the leader that answers is not the one that made this token");
  expect(said).toContain(`${other.address} (another machine answers there)`);
  expect(other.seen).toEqual([]);
});

test("nobody there: the addresses that were tried, and why each failed", async () => {
  await using leader = await startTestLeader();
  const said = await join(await invite(leader, ["127.0.0.1:1"]), "127.0.0.2");
  expect(said).toContain("the leader cannot be reached; tried 127.0.0.2:1 (nothing listens there)");
  expect(said).toContain("127.0.0.1:1 (nothing listens there)");
});

test("a wrong clock and an expired token are told before and after the leader is asked", async () => {
  await using leader = await startTestLeader();
  const token = await invite(leader, [leader.address]);
  expect(await join(token, "", -7 * 60_000)).toContain("7 minutes apart (the worker's is behind)");
  // Before the leader was set up no connection would come about.
  expect(await join(token, "", -400 * 86_400_000)).toMatch(
    /this machine's clock says 20\d\d-.*Z, when the leader's certificate is not valid \| timedatectl/,
  );
  expect(leader.seen).toEqual([]);
  leader.clock.aheadMs = 301_000;
  // The joining machine's clock is right by the leader's.
  expect(await join(token, "", 301_000)).toContain("the join token has expired: it is good for 5 minutes");
  expect(await join("eyJ.half", "")).toContain("that is no join token, or not all of it");
});
