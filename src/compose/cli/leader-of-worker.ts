import { existsSync } from "node:fs";
import { EXIT, NoWay } from "../../cli/cli-failure.ts";
import type { LeaderProblem, LeaderWay } from "../../cli/leader-control.ts";
import { ok, type Result } from "../../core/result.ts";

/** The way of commands that are typed on a worker: to its leader, signed with the node's credential. Null: it is no worker. */
export async function leaderOfWorker(dataDir: string): Promise<Result<LeaderWay | null, LeaderProblem>> {
  // What reads the file and signs is loaded only where there is one: every command comes by here.
  if (!existsSync(`${dataDir}/node.json`)) return ok(null);
  const [{ readCredential }, { callsToLeader }] = await Promise.all([
    import("../../worker/credential-file.ts"),
    import("./leader-calls.ts"),
  ]);
  const read = readCredential(dataDir);
  if (!read.ok) return read;
  if (read.value === null) return ok(null);
  const { leader, node } = read.value;
  const calls = callsToLeader(read.value);
  return ok({
    url: `https://${leader.addresses[0] ?? "leader"}`,
    node,
    async send(request, signal) {
      const answer = await calls.fetch(request, signal);
      if (!answer.ok) {
        const { error } = answer;
        const tried = error.kind === "unreachable" ? ` (tried ${error.tried.join(", ")})` : "";
        const mend = "flock status   # at the leader: does it run?";
        throw new NoWay({ exitCode: EXIT.notRunning, message: `${error.message}${tried}`, code: "not_running", mend });
      }
      const refusal = answer.value.ok ? null : await refusalIn(answer.value.clone());
      if (refusal !== null) throw new NoWay({ exitCode: EXIT.notAuthorised, ...refusal });
      return answer.value;
    },
  });
}

/** What the leader says when it does not take this node's calls at all; null: the admin API's own answer. */
async function refusalIn(answer: Response) {
  const { refusalBody } = await import("../../cluster/node-protocol.ts");
  const body: unknown = await answer.json().catch(() => null);
  const read = refusalBody.safeParse(body).data;
  return read === undefined || !OF_THE_LINK.has(read.error.code) ? null : read.error;
}

const OF_THE_LINK: ReadonlySet<string> = new Set(["signature", "audience", "revoked", "clock_skew", "unknown_node"]);
