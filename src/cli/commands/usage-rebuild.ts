import { usageApi } from "../api/usage.ts";
import { command } from "../command.ts";
import { followJob } from "../follow-job.ts";

export const usageRebuild = command({
  description: "For when the sums look wrong. Requests go on meanwhile; Ctrl-C stops the watching, not the job.",
  json: true,
  examples: ["flock usage rebuild"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const started = await usageApi(server.value).rebuild();
    if (!started.ok) return started;
    return followJob(server.value, started.value.job.id, out, context.signal);
  },
});
