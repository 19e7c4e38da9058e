import { err, ok } from "../../core/result.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";
import { notRunning } from "../server-address.ts";

export const down = command({
  description: "Lets running answers end, writes the records down, then stops the engines, the agent and the leader.",
  examples: ["flock down"],
  async run(context, out) {
    const waiting = (): void => out.note("▶ stopping: running answers may end first");
    const stopped = await context.leader.stop(context.dataDir, context.signal, waiting);
    if (!stopped.ok) return err({ exitCode: EXIT.failure, ...stopped.error });
    if (!stopped.value) return err(notRunning(null));
    out.line("✔ Flock has stopped");
    return ok(undefined);
  },
});
