import { existsSync } from "node:fs";
import type { LeaderProblem, LeaderWay } from "./cli/leader-control.ts";
import { ok, type Result } from "./core/result.ts";

/** The way of commands that are typed on a worker: to its leader, signed with the node's credential. Null: it is no worker. */
export async function leaderOfWorker(dataDir: string): Promise<Result<LeaderWay | null, LeaderProblem>> {
  // What reads the file and signs is loaded only where there is one: every command comes by here.
  if (!existsSync(`${dataDir}/node.json`)) return ok(null);
  const [{ readCredential }, { signingKeys }, { callSigner }, { leaderClient }, { systemClock }] = await Promise.all([
    import("./worker/credential-file.ts"),
    import("./cluster/link-key.ts"),
    import("./cluster/signed-call.ts"),
    import("./worker/leader-client.ts"),
    import("./core/clock.ts"),
  ]);
  const read = readCredential(dataDir);
  if (!read.ok) return read;
  if (read.value === null) return ok(null);
  const { node, leader, linkPrivateKey } = read.value;
  const key = signingKeys(linkPrivateKey, leader.keys.linkKey).toLeader;
  const life = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  const signer = callSigner({ node, key, clock: systemClock, life });
  const calls = leaderClient({
    certificate: leader.keys.certificate,
    addresses: () => leader.addresses,
    signer: () => signer,
    answered: () => undefined,
  });
  return ok({
    url: `https://${leader.addresses[0] ?? "leader"}`,
    async send(request, signal) {
      const answer = await calls.fetch(request, signal);
      if (answer.ok) return answer.value;
      const { error } = answer;
      throw new Error(error.kind === "unreachable" ? `${error.message} (${error.tried.join(", ")})` : error.message);
    },
  });
}
