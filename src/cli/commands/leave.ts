import { err, ok } from "../../core/result.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";

export const leave = command({
  description:
    "Stops this worker, tells the leader that it is gone, and forgets the credential. Models and logs stay where they are.",
  flags: { yes: { type: "boolean", summary: "Do not ask" } },
  examples: ["flock leave", "flock leave --yes"],
  async run(context, out) {
    const { leader, dataDir, signal } = context;
    const member = await leader.membership.of(dataDir);
    if (!member.ok) return err({ exitCode: EXIT.failure, ...member.error });
    if (member.value === null) {
      const message = "this machine belongs to no cluster";
      return err({ exitCode: EXIT.failure, message, mend: "flock join   # lists the leaders on this network" });
    }
    if (!context.flags.yes) {
      const sure = await context.confirm(`Leave the cluster of the leader at ${member.value.leader}?`);
      if (!sure.ok) return sure;
    }
    const stopped = await leader.stop(dataDir, signal, () => out.note("▶ stopping: running answers may end first"));
    if (!stopped.ok) return err({ exitCode: EXIT.failure, ...stopped.error });
    const left = await leader.membership.leave(dataDir, signal);
    if (!left.ok) return err({ exitCode: EXIT.failure, ...left.error });
    out.line(`✔ node ${left.value.node} has left the cluster`);
    if (!left.value.told)
      out.note(`! The leader could not be told. There: flock node remove ${left.value.node}`, "warn");
    return ok(undefined);
  },
});
