import { command } from "../command.ts";
import { followJob } from "../follow-job.ts";
import { pickJob } from "../pick-job.ts";

export const jobWatch = command({
  description: "Ctrl-C stops the watching, not the job. Exit code 1 when the job fails.",
  args: { id: { summary: "The job", required: true, pick: pickJob } },
  json: true,
  examples: ["flock job watch job_0a1b2c3d4e5f6a7b"],
  async run(context, out) {
    const server = await context.admin();
    return server.ok ? followJob(server.value, context.args.id, out, context.signal) : server;
  },
});
