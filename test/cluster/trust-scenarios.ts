import { expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeCertificate } from "../../src/cluster/certificate.ts";
import { JoinTokens } from "../../src/cluster/join-tokens.ts";
import type { LeaderIdentity } from "../../src/cluster/leader-identity.ts";
import { NODE_PATHS } from "../../src/cluster/node-protocol.ts";
import { pinnedFetch } from "../../src/worker/leader-client.ts";
import { asLeader, asWorker, audienceAt, credentialOf, identityOf, send } from "../support/signed-calls.ts";
import { type CliRun, runFlock, temporaryDirectory } from "../support/start-flock.ts";
import { wrongClock } from "../support/wrong-clock.ts";
import type { Rig } from "./scenarios.ts";

/** A token as `identity` would have made it so many minutes ago. */
async function tokenOf(identity: LeaderIdentity, addresses: readonly string[], minutesAgo: number): Promise<string> {
  const clock = { now: () => Date.now() - minutesAgo * 60_000, monotonicMs: () => performance.now() };
  const records = { add: async () => undefined, spend: async () => "unknown" as const };
  return (await new JoinTokens(identity, records, clock).issue(addresses)).token;
}

/** The same claims but for one, under the signature of before. */
function tampered(token: string, change: (claims: Record<string, unknown>) => object): string {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const read = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
  const written = Buffer.from(JSON.stringify({ ...read, ...change(read) })).toString("base64url");
  return [head, written, signature].join(".");
}

export function trustScenarios(rig: () => Rig): void {
  test("join tokens that are expired, used, another leader's or changed, and a machine with a wrong clock, do not get in", async () => {
    const { ground, cluster } = rig();
    const { leader, usedToken } = cluster;
    const { token, command, addresses } = await leader.invite();
    const { target = /'([^?']+)/.exec(command)?.[1] } = ground.worker("near");
    const dirs: string[] = [];
    const attempt = async (with_: string, how: { env?: Record<string, string> } = {}): Promise<CliRun> => {
      const dataDir = temporaryDirectory();
      dirs.push(dataDir);
      const run = await runFlock(["join", `${target}?token=${with_}`], { dataDir, prefix: ground.guest, ...how });
      return { ...run, stdout: String(existsSync(join(dataDir, "node.json"))) };
    };
    const otherDir = temporaryDirectory();
    dirs.push(otherDir);
    using clock = wrongClock();
    clock.ahead(-10);
    const identity = identityOf(leader.dataDir);
    const known = (await leader.nodes()).map(({ id }) => id);
    const [expired, used, foreign, longer, elsewhere, late] = await Promise.all([
      attempt(await tokenOf(identity, addresses, 6)),
      attempt(usedToken),
      attempt(await tokenOf(identityOf(otherDir), addresses, 0)),
      attempt(tampered(await tokenOf(identity, addresses, 6), () => ({ exp: Math.floor(Date.now() / 1_000) + 300 }))),
      attempt(tampered(token, () => ({ jti: "j_another" }))),
      attempt(token, clock.options),
    ]);
    for (const [run, words] of [
      [expired, "the join token has expired"],
      [used, "this join token was used already"],
      [foreign, "the leader that answers is not the one that made this token"],
      [longer, "was not made by this leader"],
      [elsewhere, "was not made by this leader"],
      [late, "the clocks of the two machines are 10 minutes apart (the worker's is behind)"],
    ] as const) {
      expect([run.code === 0, run.stderr, run.stdout]).toEqual([false, expect.stringContaining(words), "false"]);
      expect(run.stderr).toMatch(/→ (flock token create --node|timedatectl)/);
    }
    expect((await leader.nodes()).map(({ id }) => id)).toEqual(known);
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  test("a worker's call is taken once; replayed, changed and unsigned ones are refused, and the worker goes on", async () => {
    const { ground, cluster } = rig();
    const { workers, row } = cluster;
    const { epoch } = await row("near");
    const { node, leader: of } = credentialOf(workers.near.dataDir);
    const door = await ground.door("leader", Number(/\d+$/.exec(of.addresses[0] ?? "")));
    const caller = asWorker(workers.near);
    const { signer, tls } = caller;
    const audience = await audienceAt(door, caller);
    const ask = { method: "GET", path: "/admin/v1/nodes", tls } as const;
    const signed = signer.sign({ ...ask, body: "" }, audience);
    expect(await send(door, { ...ask, signed })).toBe("200");
    expect(await send(door, { ...ask, signed })).toBe("401 signature");
    expect(await send(door, ask)).toBe("401 signature");
    const fresh = () => signer.sign({ ...ask, body: "" }, audience);
    expect(await send(door, { ...ask, signed: fresh(), path: "/admin/v1/status" })).toBe("401 signature");
    expect(await send(door, { ...ask, signed: fresh().replace(node, (await row("far")).id) })).toBe("401 signature");
    const leave = { method: "POST", path: NODE_PATHS.leave, tls } as const;
    const body = JSON.stringify({ changed: true });
    const other = signer.sign({ ...leave, body: "{}" }, audience);
    expect(await send(door, { ...leave, body, signed: other })).toBe("401 signature");
    expect([(await row("near")).state, (await row("near")).epoch]).toEqual(["ready", epoch]);
  });

  test("a leader's call to a worker is taken once, and nobody else's is", async () => {
    const { ground, cluster } = rig();
    const { leader, workers, row } = cluster;
    const { keys } = credentialOf(workers.near.dataDir);
    const { addresses } = await row("near");
    const door = await ground.door("near", Number(/\d+$/.exec(addresses[0] ?? "")));
    const caller = asLeader(leader, workers.near);
    const { signer, tls } = caller;
    const audience = await audienceAt(door, caller);
    const look = { method: "GET", path: "/v1/process", tls } as const;
    const signed = signer.sign({ ...look, body: "" }, audience);
    expect(await send(door, { ...look, signed })).toBe("200");
    expect(await send(door, { ...look, signed })).toStartWith("401");
    expect(await send(door, look)).toStartWith("401");
    const start = { method: "POST", path: "/v1/process/start", tls } as const;
    const wish = JSON.stringify({ id: "x", program: "rpc-server", args: [] });
    const other = signer.sign({ ...start, body: wish.replace("rpc", "llama") }, audience);
    expect(await send(door, { ...start, body: wish, signed: other })).toStartWith("401");
    const stranger = makeCertificate(Date.now());
    for (const shown of [{}, { cert: stranger.certificate, key: stranger.key }]) {
      const call = { ...look, tls: { ...pinnedFetch(keys.certificate), ...shown } };
      expect(await send(door, { ...call, signed: signer.sign({ ...look, body: "" }, audience) })).toBe("closed");
    }
  });
}
